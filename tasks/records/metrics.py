"""What a run took, where ENABLE_AUDIO_PROFILING asks: a row in `logs/`, and the stages in `profiling/`."""

import csv
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.settings import Configuration
from tasks.engine.core import log_lines
from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.errors import StorageError
from tasks.engine.core.exception_map import map_exception
from tasks.engine.dependencies import Dependencies
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.inference.types import Diarization, Parameters, Progress
from tasks.engine.publishing.manifest import Published
from tasks.engine.system.locks import lock_for
from tasks.engine.system.profiler import LOADING, StageProfiler, profile_stages
from tasks.records.diagnostics import folder

log = logging.getLogger("step4.metrics")

Analyse = Callable[..., Published]
ROW = ("device", "device_name", "precision", "engine", "batch_size", "windows", "ms_per_window", "real_time_factor")
"""Columns of the inference that a run's row is about: the candidate's, where it came to an end."""


@dataclass
class RunProfile:
    """What is measured of one run.

    Attributes:
        stages: outside inference.
        inferences: one object each, as they end.
    """

    stages: list[dict[str, Any]] = field(default_factory=list)
    inferences: list[dict[str, Any]] = field(default_factory=list)

    def dependencies(self, dependencies: Dependencies) -> Dependencies:
        """Return the same dependencies, measured."""
        return replace(
            dependencies,
            run_ffmpeg=self.staged("extract", dependencies.run_ffmpeg),
            diarizer=self.inferring(dependencies.diarizer),
            explainer=self.staged("explain", dependencies.explainer),
            recompute=self.staged("sample", dependencies.recompute),
        )

    def staged(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same function, measured as one stage."""

        @wraps(work)
        def measured(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  # stands for any
            with profile_stages("cpu", marked_within=False) as meter:
                result = work(*arguments, **named)
                meter.mark(stage)
            self.stages += map(asdict, meter.measurements)
            return result

        return measured

    def inferring(self, diarizer: Callable[..., Diarization]) -> Callable[..., Diarization]:
        """Return the same diarizer, measured stage by stage."""

        def measured(
            samples: NDArray[np.float32], plan: DevicePlan, parameters: Parameters, progress: Progress, **options: bool
        ) -> Diarization:
            windows: list[int] = [0]

            def counted(stage: str, done: int, total: int) -> None:
                if stage == "segmentation":
                    windows[0] = total
                progress(stage, done, total)

            with profile_stages(plan.device) as meter:
                result = diarizer(samples, plan, parameters, counted, **options)
                meter.mark("turns")
            self.inferences.append(inference(plan, result.facts, meter, len(samples) / SAMPLE_RATE, windows[0]))
            return result

        return measured


def inference(
    plan: DevicePlan, facts: dict[str, Any], meter: StageProfiler, audio_sec: float, windows: int
) -> dict[str, Any]:
    """Return one inference in figures; its milliseconds per window leave loading out."""
    total = sum(measurement.seconds for measurement in meter.measurements)
    computing = sum(measurement.seconds for measurement in meter.measurements if measurement.stage != LOADING)
    per_window = 1000 * computing / max(windows, 1)
    log.info(log_lines.INFERENCE_TIME, per_window)
    return {
        **{name: facts.get(name) for name in ROW[:5]},
        "reference": plan.is_reference,
        "threads": plan.threads,
        "audio_sec": round(audio_sec, 3),
        "seconds": round(total, 3),
        "windows": windows,
        "ms_per_window": round(per_window, 2),
        "real_time_factor": round(total / audio_sec, 4) if audio_sec else None,
        "peak_rss_mib": max(measurement.rss_mib for measurement in meter.measurements),
        "peak_device_mib": max((measurement.device_mib or 0.0 for measurement in meter.measurements), default=0.0)
        or None,
        "stages": [asdict(measurement) for measurement in meter.measurements],
    }


def profiled(analyse: Analyse) -> Analyse:
    """Return the same run, measured where its configuration asks for it, however it ends."""

    @wraps(analyse)
    def measured(
        video: Path,
        output: Path,
        configuration: Configuration,
        dependencies: Dependencies,
        **options: Any,  # noqa: ANN401
    ) -> Published:
        if not configuration.profiling:
            return analyse(video, output, configuration, dependencies, **options)
        profile, began, ended = RunProfile(), time.perf_counter(), "interrupted"
        try:
            published = analyse(video, output, configuration, profile.dependencies(dependencies), **options)
            ended = "already" if published.already else str(published.manifest["verdict"])
        except Exception as error:
            ended = type(map_exception(error) or error).__name__
            raise
        finally:
            write(profile, video, configuration.profile, ended, time.perf_counter() - began)
        return published

    return measured


def write(profile: RunProfile, video: Path, name: str, ended: str, seconds: float) -> None:
    """Add the row, leave the stages; figures that cannot be written never fail a run."""
    now = datetime.now(UTC)
    run: dict[str, Any] = {"time": now.isoformat(timespec="seconds"), "video": str(video), "profile": name}
    run |= {"ended": ended, "seconds": round(seconds, 3)}
    first = next(iter(sorted(profile.inferences, key=lambda inference: bool(inference["reference"]))), {})
    columns = ("audio_sec", *ROW, "peak_rss_mib", "peak_device_mib")
    try:
        append(folder() / "logs" / f"audio_metrics_{now:%Y%m%d}.csv", run | {n: first.get(n) for n in columns})
        path = folder() / "profiling" / f"audio_perf_{now:%Y%m%dT%H%M%S%f}_{video.stem}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        stages = {"stages": profile.stages, "inferences": profile.inferences}
        path.write_text(
            json.dumps(run | stages, ensure_ascii=False, indent=2), encoding="utf-8", errors="backslashreplace"
        )
    except (OSError, StorageError) as error:
        log.warning("what the run took could not be written: %s", error)


def append(path: Path, row: dict[str, Any]) -> None:
    """Append a row, below the names where the file is new.

    Raises:
        OSError, StorageError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock_for(path), path.open("a", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, row)
        if not file.tell():
            writer.writeheader()
        writer.writerow(row)
