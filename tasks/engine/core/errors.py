"""Every error a user can meet, one exit code each.

    Step4Error                      1   anything else
    ├── UsageError                  2   a wrong option, profile, variable or input format
    ├── DriftError                  3   the gate refused: candidate and reference disagree
    ├── MediaError                  4   the video or its audio cannot be used
    ├── EngineError                 5   the device or the models failed
    │   ├── DeviceError             5   out of memory, a lost or absent device: a CPU attempt may follow
    │   ├── ModelError              5   a model is missing, altered or not loadable
    │   ├── NonFiniteError          5   NaN or Inf came out of a stage
    │   └── NotNeededError          5   stopped: nobody waits for the computation any more
    ├── StorageError                6   an output could not be written or read back
    ├── BatchError                  its worst video's   videos of a batch failed
    └── ServiceError                7   the Prefect server, or the network to it, failed

Each carries one sentence that says what was found and what would be accepted, and is logged at one level: WARNING
where the input or the request is to blame, ERROR where the machine is, CRITICAL where results cannot be trusted.
"""

import logging
from collections.abc import Mapping
from typing import Any, ClassVar


class Step4Error(Exception):
    """Base of all errors raised on purpose by this project."""

    exit_code: int = 1
    log_level: ClassVar[int] = logging.ERROR


class UsageError(Step4Error):
    """The request itself cannot be served: unknown name, wrong value, wrong file format."""

    exit_code = 2
    log_level = logging.WARNING


class DriftError(Step4Error):
    """Candidate and reference disagree beyond the tolerance, or could not be compared."""

    exit_code = 3
    log_level = logging.CRITICAL


class MediaError(Step4Error):
    """The input is missing, damaged, or holds nothing that can be analysed."""

    exit_code = 4
    log_level = logging.WARNING


class EngineError(Step4Error):
    """Inference failed."""

    exit_code = 5


class DeviceError(EngineError):
    """The accelerator failed: retried once on CPU where the profile allows it."""


class ModelError(EngineError):
    """A model is missing, fails its checksum, or does not load."""


class NonFiniteError(EngineError):
    """A stage produced NaN or Inf. Never silence: argmax of NaN would decode as nobody speaking."""

    log_level = logging.CRITICAL


class NotNeededError(EngineError):
    """A computation was stopped, for nobody waits for it any more."""


class StorageError(Step4Error):
    """An output could not be written, or failed verification when read back."""

    exit_code = 6


class BatchError(Step4Error):
    """Videos of a batch, timelines of an audit or a machine's self-check failed; the exit code is the worst one's.

    Attributes:
        report: what became of all of them; optional, so that a stored error can be built from its message.
    """

    def __init__(self, message: str, exit_code: int = 1, report: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.report = dict(report or {})


class ServiceError(Step4Error):
    """What the run reports to failed: the Prefect server, its database, or the network between."""

    exit_code = 7


def one_line(error: BaseException) -> str:
    """Put an error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__
