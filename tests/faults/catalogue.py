"""Every way in which two runs could stop agreeing that we thought of: named mutations of real runs."""

from faults_of_ends import HEARD, SPEAKERS, TABLES
from faults_of_networks import ARITHMETIC, WINDOWS
from trial import Fault

FAULTS: tuple[Fault, ...] = (*ARITHMETIC, *HEARD, *WINDOWS, *SPEAKERS, *TABLES)
