"""Run-time watch: is there suspiciously little speech?"""

import logging
from enum import Enum, auto

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.diagnostics import record
from tasks.diarize import Outcome
from tasks.engine.runs import Run
from tasks.engine.summary import Summary

log = logging.getLogger("step4.watch")

TOO_LOW_PERCENT = 5.0
LOW_PERCENT = 20.0


class Rate(Enum):
    """What a detection rate calls for."""

    USUAL = auto()
    TOO_LOW = auto()
    """The CPU must say the same before this is believed, and it is the CPU's answer that is kept."""


def watch(run: Run, outcome: Outcome, summary: Summary) -> Rate:
    """Judge the candidate's share of frames with speech. A silent video is legitimate: the CPU's word is enough.

    Under 5 % on anything but the reference's own device and precision: the CPU is asked. Under 20 %: a warning.
    """
    if outcome.name is None or summary.percent >= LOW_PERCENT:
        return Rate.USUAL
    if summary.percent < TOO_LOW_PERCENT and not outcome.plan.is_reference:
        log.warning("Taux de détection faible (%.0f%%), activation du fallback CPU", summary.percent)
        record(run, "low_detection_rate", percent=summary.percent, action="asked the CPU")
        return Rate.TOO_LOW
    log.warning("[PROFILING] Taux de détection bas (%.0f%%), vérifier le modèle", summary.percent)
    record(run, "low_detection_rate", percent=summary.percent, action="warned")
    return Rate.USUAL


watch_task = task(name="watch", cache_policy=NO_CACHE)(watch)
