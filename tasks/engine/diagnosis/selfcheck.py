"""Self-check of a machine: diarize the shipped recording at several levels on its device and on the CPU, and compare.

The result depends on device, driver, libraries, models and arithmetic, and is kept under exactly those.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.engine.core.choices import Verdict
from tasks.engine.core.constants import ASSUMED_FPS
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import Timeline, timeline_of
from tasks.engine.devices.facts import DeviceFacts
from tasks.engine.devices.plan import DevicePlan, arithmetic_key
from tasks.engine.gate.verdict import compare
from tasks.engine.inference.result_store import ENGINE_VERSION, digest, library_versions
from tasks.engine.inference.types import Diarizer, Parameters
from tasks.engine.media.sample import recording
from tasks.engine.system.atomic import atomic_write_text
from tasks.engine.system.environment import machine_settings

LEVELS_DB = (0, -40, -80)
"""Gains: as recorded, quiet, and where naive FP16 loses the speech."""

GRID = FrameGrid(count=int(30 * ASSUMED_FPS), fps=ASSUMED_FPS)
"""Frames of the shipped recording, which lasts 30 s."""


@dataclass(frozen=True, slots=True)
class LevelCheck:
    """The gate's answer at one recording level.

    Attributes:
        level_db: gain of the recording.
        verdict: the gate's; `reference` or `reference_not_repeatable` where the plan is the reference's own.
        sentence: the gate's, one line.
    """

    level_db: int
    verdict: str
    sentence: str


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """Result for one device under one arithmetic.

    Attributes:
        device: as in the plan.
        device_name: likewise.
        precision: likewise.
        verdict: the worst level's.
        levels: the gate's answers; empty where the device gave nothing to compare.
        cached: whether this was read from the cache.
        note: why there is no comparison.
        transient: whether the device merely had no memory just now. It may the next time, so this is not kept.
    """

    device: str
    device_name: str
    precision: str
    verdict: str
    levels: tuple[LevelCheck, ...]
    cached: bool = False
    note: str | None = None
    transient: bool = False

    @property
    def passed(self) -> bool:
        """Whether this device may compute this way."""
        return self.verdict in {Verdict.COHERENT, Verdict.REFERENCE}

    @property
    def outcome(self) -> str:
        """The result in one word: passed, diverged, or failed where the device gave nothing to compare."""
        if self.passed:
            return "passed"
        return "diverged" if self.levels else "failed"

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON types."""
        return asdict(self) | {
            "levels": [asdict(level) for level in self.levels],
            "passed": self.passed,
            "outcome": self.outcome,
        }


def check(plan: DevicePlan, parameters: Parameters, diarizer: Diarizer) -> SelfCheck:
    """Compare a plan with the reference at every level.

    Raises:
        DeviceError: the device failed.
        NonFiniteError: a stage gave NaN or Inf.
    """
    levels = tuple(check_level(plan, parameters, diarizer, decibels) for decibels in LEVELS_DB)
    worst = next((level for level in levels if level.verdict not in {Verdict.COHERENT, Verdict.REFERENCE}), levels[0])
    return SelfCheck(plan.device, plan.device_name, plan.precision, worst.verdict, levels)


def check_level(plan: DevicePlan, parameters: Parameters, diarizer: Diarizer, decibels: int) -> LevelCheck:
    """Compare candidate and reference at one level; the reference with itself where the plan is the reference's."""
    samples = recording() * np.float32(10 ** (decibels / 20))

    def timeline_under(device_plan: DevicePlan) -> Timeline:
        diarization = diarizer(samples, device_plan, parameters, lambda *_: None)
        return timeline_of(diarization.turns, diarization.scores, GRID)

    report = compare(timeline_under(plan.as_reference()), timeline_under(plan))
    verdict = report.verdict
    if plan.is_reference:
        verdict = Verdict.REFERENCE if report.identical else Verdict.REFERENCE_NOT_REPEATABLE
    return LevelCheck(decibels, str(verdict), report.sentence)


def cache_folder() -> Path:
    """Return where answers are kept."""
    return machine_settings().cache_dir


def cache_path(plan: DevicePlan, facts: DeviceFacts, models: dict[str, str]) -> Path:
    """Name the file of the result for this device, driver, libraries, models and arithmetic."""
    name = digest(
        {
            "engine": ENGINE_VERSION,
            "device": plan.device_name,
            "arithmetic": arithmetic_key(plan),
            "method": [plan.engine, plan.segmentation_step],
            "torch": [facts.torch, facts.cuda_build, facts.cudnn, facts.driver],
            "models": models,
            "libraries": library_versions(),
        }
    )
    return cache_folder() / "selfcheck" / f"{name}.json"


def remembered(plan: DevicePlan, facts: DeviceFacts, models: dict[str, str]) -> SelfCheck | None:
    """Read the kept result; None where there is none that can be read."""
    try:
        content = json.loads(cache_path(plan, facts, models).read_text(encoding="utf-8"))
        levels = tuple(LevelCheck(**level) for level in content.pop("levels"))
        for derived in ("passed", "outcome"):
            content.pop(derived, None)
        return SelfCheck(**{**content, "levels": levels, "cached": True})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def remember(result: SelfCheck, plan: DevicePlan, facts: DeviceFacts, models: dict[str, str]) -> None:
    """Keep a result.

    Raises:
        StorageError: the file could not be written.
    """
    path = cache_path(plan, facts, models)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, json.dumps(result.to_dict(), indent=2))


Memory = Callable[[DevicePlan], SelfCheck | None]
"""Look up the kept result of a plan."""


def degrade(plan: DevicePlan, known: Memory) -> DevicePlan:
    """Keep the plan, or take the next safer one where its self-check did not pass: FP32, then CPU."""
    result = known(plan)
    if result is None or result.passed or plan.is_reference:
        return plan
    why = f"the self-check of {plan.precision} on {plan.device_name} ended in {result.verdict}"
    if plan.precision != "fp32":
        return degrade(replace(plan, precision="fp32", level="rms", reason=why), known)
    return replace(plan.on_cpu_instead(why), level="rms")
