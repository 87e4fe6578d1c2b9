"""The fault catalogue: known ways in which two runs stop agreeing, as named mutations of real runs."""

from faults_of_arithmetic import ARITHMETIC
from faults_of_ends import HEARD, SPEAKERS, TABLES
from faults_of_windows import WINDOWS
from trial import Fault

FAULTS: tuple[Fault, ...] = (*ARITHMETIC, *HEARD, *WINDOWS, *SPEAKERS, *TABLES)
