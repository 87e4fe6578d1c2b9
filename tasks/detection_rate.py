"""Run-time watch: is there suspiciously little speech?"""

import logging
from enum import Enum, auto

from tasks.engine.core import log_lines
from tasks.engine.core.summary import Summary
from tasks.inference_job import Outcome
from tasks.orchestration.stage import stage
from tasks.records.diagnostics import record
from tasks.run import Run

log = logging.getLogger("step4.watch")

TOO_LOW_PERCENT = 5.0
LOW_PERCENT = 20.0


class DetectionRate(Enum):
    """What a detection rate calls for."""

    USUAL = auto()
    TOO_LOW = auto()
    """The CPU must say the same before this is believed, and it is the CPU's answer that is kept."""


def check_detection_rate(run: Run, outcome: Outcome, summary: Summary) -> DetectionRate:
    """Judge the candidate's share of the time with speech. A silent video is legitimate: the CPU's word is enough.

    Under 5 % on anything but the reference's own device and precision: the CPU is asked. Under 20 %: a warning.
    """
    if outcome.name is None or summary.time_percent >= LOW_PERCENT:
        return DetectionRate.USUAL
    if summary.time_percent < TOO_LOW_PERCENT and not outcome.plan.is_reference:
        log.warning(log_lines.DETECTION_RATE_FALLBACK, summary.time_percent)
        record(run, "low_detection_rate", percent=summary.time_percent, action="asked the CPU")
        return DetectionRate.TOO_LOW
    log.warning(log_lines.DETECTION_RATE_LOW, summary.time_percent)
    record(run, "low_detection_rate", percent=summary.time_percent, action="warned")
    return DetectionRate.USUAL


check_detection_rate_task = stage("detection-rate")(check_detection_rate)
