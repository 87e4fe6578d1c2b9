"""Stock pyannote.audio against both engines on the device under test: speed, peak memory, flipped frames.

A part of `gpu_check.py`, which prints what the generators here yield. Stock has the very same networks, on samples of
the same level, in the same process; its best batch size is what the engines are held against.
"""

import functools
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.errors import Step4Error
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import timeline_of
from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.devices.batch_size import auto_batch_size
from tasks.engine.devices.facts import DeviceFacts
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.devices.precision import enforce_fp32
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.verdict import compare
from tasks.engine.inference import loading
from tasks.engine.inference.diarizer import diarize, unload_all
from tasks.engine.inference.level import gain
from tasks.engine.inference.types import Diarization, Parameters
from tasks.engine.models import registry

ANYTHING = Parameters(min_speech_sec=0.0)
BATCH_SIZES = (1, 8, 32)
REPEATS = 3
ENOUGH_SEC = 45
"""Of timed runs of one side: behind that no further one begins, since stock at batch 1 says little for its time."""
FASTER = 10
"""Times stock, in FP32, at equal or lower peak memory."""
COLUMNS = "side | precision | batch | runs | s per audio hour | stock at best / side | allocated MiB | reserved MiB"

Run = Callable[[NDArray[np.float32]], Diarization]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one side took.

    seconds: of each timed run. peaks: MiB allocated and reserved by torch, model and warm-up included; None on a CPU.
    found: the last run's turns.
    """

    name: str
    plan: DevicePlan
    seconds: tuple[float, ...]
    peaks: tuple[float, float] | None
    found: Diarization

    @property
    def typical(self) -> float:
        """Seconds of the median run."""
        return median(self.seconds)


def judge(reference: Diarization, candidate: Diarization, seconds: float) -> DriftReport:
    """The gate's report on 25 frames a second; on turns alone where the candidate has no scores."""
    grid = FrameGrid(int(seconds * 25), Fraction(25))
    trusted, found = (timeline_of(one.turns, one.scores, grid) for one in (reference, candidate))
    return compare(trusted, found if len(candidate.scores.values) else replace(found, scores=None))


def stock_on(plan: DevicePlan) -> Run:
    """A function from (samples,) to stock pyannote.audio's turns, computed with the plan's device and batch size."""
    from pyannote.audio import Model
    from pyannote.audio.pipelines import SpeakerDiarization

    from tasks.engine.inference.pyannote_adapter import NoPLDA

    ours = loading.load("offline")
    enforce_fp32()
    torch.backends.cudnn.deterministic = False  # pyannote.audio does not ask for it, and it may cost speed
    torch.set_num_threads(plan.threads)
    stock = SpeakerDiarization(
        # Read anew: in our pipeline this network has a front end that checks each output, which waits for the GPU.
        segmentation=Model.from_pretrained(str(registry.models_folder() / registry.SEGMENTATION.file)),
        embedding=ours.embedding_network,
        clustering="AgglomerativeClustering",
        plda=NoPLDA(),
        segmentation_batch_size=plan.batch_size,
        embedding_batch_size=plan.batch_size,
    ).instantiate(loading.OFFLINE_PARAMETERS)
    stock.to(torch.device(plan.device))

    def run(samples: NDArray[np.float32]) -> Diarization:
        levelled = torch.from_numpy(samples * np.float32(gain(samples)))[None]
        said = stock({"waveform": levelled, "sample_rate": SAMPLE_RATE, "uri": "audio"}).speaker_diarization
        turns = sorted(Turn(part.start, part.end, str(who)) for part, _, who in said.itertracks(yield_label=True))
        return Diarization(tuple(turns), SpeechScores(np.empty(0, np.float32), 0.0, 1.0))

    return run


def measure(name: str, plan: DevicePlan, samples: NDArray[np.float32], repeats: int = REPEATS) -> Measured:
    """One side on (samples,) at 16 kHz, warmed up on their beginning.

    Raises:
        RuntimeError, Step4Error: stock, or an engine, failed.
    """
    release(plan)
    run = stock_on(plan) if name == "stock" else functools.partial(diarize, plan=plan, parameters=ANYTHING)
    found = run(samples[: (3 if plan.on_cpu else 20) * SAMPLE_RATE])
    spent: list[float] = []
    while len(spent) < repeats and sum(spent) < ENOUGH_SEC:
        settle(plan)
        started = time.perf_counter()
        found = run(samples)
        settle(plan)
        spent.append(time.perf_counter() - started)
    return Measured(name, plan, tuple(spent), peaks(plan), found)


def release(plan: DevicePlan) -> None:
    """Drop every loaded pipeline, and count the device's peak anew: one side must not pay for another's models."""
    unload_all()
    for one in gc.get_objects():
        # pyannote caches methods of its models, and with them the models.
        if type(one) is functools._lru_cache_wrapper and str(one.__module__).startswith("pyannote."):  # noqa: SLF001
            one.cache_clear()
    gc.collect()
    if not plan.on_cpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(plan.device)


def settle(plan: DevicePlan) -> None:
    """Wait until the device has done what it was given."""
    if not plan.on_cpu:
        torch.cuda.synchronize(plan.device)


def peaks(plan: DevicePlan) -> tuple[float, float] | None:
    """MiB allocated and reserved at most since `release`; None on a CPU."""
    if plan.on_cpu:
        return None
    found = torch.cuda.max_memory_allocated(plan.device), torch.cuda.max_memory_reserved(plan.device)
    return found[0] / 1024**2, found[1] / 1024**2


def fitting_batch(plan: DevicePlan, facts: DeviceFacts) -> int:
    """The batch size that `auto` chooses on the plan's device."""
    if plan.on_cpu:
        return auto_batch_size(facts.free_memory // plan.threads, on_cpu=True)
    return auto_batch_size(facts.cuda[0].free_memory, on_cpu=False)


def engine_plans(plan: DevicePlan, facts: DeviceFacts) -> Iterator[DevicePlan]:
    """Exact and shared, each in FP32 and in mixed precision, at the batch size `auto`; exact in FP32 also at others."""
    auto = replace(plan, batch_size=fitting_batch(plan, facts))
    fixed = () if plan.on_cpu else BATCH_SIZES
    yield from (replace(auto, batch_size=size) for size in sorted({auto.batch_size, *fixed}))
    if not plan.on_cpu:
        yield replace(auto, precision="mixed")
    yield replace(auto, engine="shared")
    if not plan.on_cpu:
        yield from (
            replace(auto, engine="shared", precision="mixed", autocast_dtype=half) for half in ("float16", "bfloat16")
        )


@dataclass
class Table:
    """Rows of the speed table, measured as they are asked for.

    samples: (samples,) at 16 kHz. auto: batch size that `auto` chooses. best: stock at its best batch size, once known.
    """

    samples: NDArray[np.float32]
    reference: Diarization
    auto: int
    repeats: int
    done: list[Measured] = field(default_factory=list)
    best: Measured | None = None

    def row(self, name: str, plan: DevicePlan) -> str:
        """One side's row, or why there is none."""
        precision = plan.precision if plan.precision == "fp32" else f"{plan.precision} {plan.autocast_dtype}"
        chosen = " (auto)" if name != "stock" and plan.batch_size == self.auto else ""
        label = f"{name} | {precision} | {plan.batch_size}{chosen}"
        try:
            one = measure(name, plan, self.samples, self.repeats)
        except (Step4Error, RuntimeError) as error:
            return f"| {label} |{' |' * 7} {clause(error)} |"
        self.done.append(one)
        report = judge(self.reference, one.found, len(self.samples) / SAMPLE_RATE)
        der = {each.name: each.value or 0.0 for each in report.criteria}.get("der_percent", 0.0)
        flipped = report.agreement.flipped if report.agreement else "-"
        return f"| {label} | {self.costs(one)} | {flipped} | {der:.2f} | {report.verdict} |"

    def best_stock(self) -> str:
        """The row that marks stock at its best, of the batch sizes measured so far."""
        if not self.done:
            return f"| stock | fp32 | none worked |{' |' * 8}"
        self.best = min(self.done, key=lambda one: one.typical)
        return f"| **stock at its best** | fp32 | **{self.best.plan.batch_size}** | {self.costs(self.best)} | | | |"

    def costs(self, one: Measured) -> str:
        """A row's cells from the number of runs to the peaks of memory."""
        ratio = f"{self.best.typical / one.typical:.2f}" if self.best else "-"
        memory = " | ".join(f"{peak:.0f}" for peak in one.peaks) if one.peaks else "- | -"
        return f"{len(one.seconds)} | {one.typical * 3600 * SAMPLE_RATE / len(self.samples):.1f} | {ratio} | {memory}"

    def targets(self) -> Iterator[str]:
        """One line per engine in FP32 at the batch size `auto` on a GPU, which is what the target is about."""
        for one in self.done:
            engine_in_fp32 = one.name != "stock" and one.plan.precision == "fp32"
            if self.best and one.peaks and engine_in_fp32 and one.plan.batch_size == self.auto:
                yield f"\n{target(one, self.best)}"


def clause(error: Exception) -> str:
    """An error's text as a table cell takes it."""
    return " ".join(str(error).split())[:120].replace("|", "/")


def tiled(samples: NDArray[np.float32], plan: DevicePlan) -> NDArray[np.float32]:
    """(samples,) as they are on a CPU, over and over for ten minutes on a GPU."""
    return samples if plan.on_cpu else np.tile(samples, 600 * SAMPLE_RATE // len(samples))


def speed(samples: NDArray[np.float32], plan: DevicePlan, facts: DeviceFacts) -> Iterator[str]:
    """Lines on stock and both engines, for (samples,) of the shipped recording; ten minutes of it on a GPU.

    plan: the device under test in FP32, levelled.
    """
    samples = tiled(samples, plan)
    trusted = replace(plan.as_reference(), batch_size=auto_batch_size(facts.free_memory // plan.threads, on_cpu=True))
    table = Table(
        samples, diarize(samples, trusted, ANYTHING), fitting_batch(plan, facts), 1 if plan.on_cpu else REPEATS
    )
    took = table.reference.facts["seconds"]
    yield f"{len(samples) / SAMPLE_RATE:.0f} s of audio; the reference, exact in FP32 on CPU, took {took:.1f} s.\n"
    yield f"| {COLUMNS} | frames flipped | DER % | verdict |"
    yield f"| --- | --- |{' ---: |' * 8} --- |"
    for size in (1,) if plan.on_cpu else BATCH_SIZES:
        yield table.row("stock", replace(plan, batch_size=size))
    yield table.best_stock()
    for one in engine_plans(plan, facts):
        yield table.row(one.engine, one)
    yield from table.targets()


def target(one: Measured, best: Measured) -> str:
    """Whether an engine is as many times faster than stock as wanted, in no more memory by either count."""
    mine, theirs = one.peaks or (0.0, 0.0), best.peaks or (0.0, 0.0)
    faster, smaller = best.typical / one.typical, all(a <= b for a, b in zip(mine, theirs, strict=True))
    return (
        f"Target, {one.name} in FP32: {faster:.2f} times stock of {FASTER}, memory "
        f"{'equal or lower' if smaller else 'higher'}: {'met' if faster >= FASTER and smaller else '**not met**'}."
    )
