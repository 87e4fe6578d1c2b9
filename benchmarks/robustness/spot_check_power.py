# ruff: noqa: E402  # the path to the test helpers must be set before they are imported
"""How often a reference by sample sees a fault, and how often it doubts a sound run.

    python benchmarks/robustness/spot_check_power.py [--seeds 20] [--part PART] [--kept FOLDER] [--voices FOLDER]

Parts: `catalogue`, every trial of the fault catalogue, with as many draws of windows; `family`, faults made against
sampling, on seven minutes of the clips at hand; `clean`, sound and mixed-precision runs of those (hard: up to 14
speakers); `ordinary`, the same of one recording at a time; `conversations`, the same of conversations put together from
`--voices`, a folder with a recording of each speaker (`conversations.py`), mixed precision in FP16 among them
(`half_emulated.py`). `--kept` keeps the long runs' outputs between calls. Prints Markdown. STEP4_CLIPS names a folder
of clips; without one, the shipped recording at several speeds serves.
"""

import argparse
import hashlib
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from zlib import crc32

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / name) for name in ("support", "faults"))]
warnings.simplefilter("ignore")

import numpy as np
import oracle
from catalogue import FAULTS
from clips import at_speed, references
from conversations import conversation, recordings_in
from half_emulated import half_emulated
from numpy.typing import NDArray
from replay import PARAMETERS, Reference, Run, Samples, plan_of
from speech import available_clips
from trial import Fault, Size

from tasks.engine.core.constants import ASSUMED_FPS, SAMPLE_RATE
from tasks.engine.core.errors import NonFiniteError
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.stages import Stage
from tasks.engine.core.timeline import Timeline, timeline_of
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.inference.diarizer import diarize
from tasks.engine.inference.recomputation import replay
from tasks.engine.inference.window_outputs import Recomputed, WindowOutputs
from tasks.engine.spot_check.check import spot_check
from tasks.engine.spot_check.choice import choose

SPEEDS = (1.0, 1.12)
ORDINARY_SPEEDS = tuple(1 + step / 100 for step in (0, 1, -1, 2, -2, 3, -3, 4, -4))
"""One clip of 30 s makes four and a half minutes of its own speakers, no two windows the same."""

WINDOW_SEC = 10
OWN = "the reference's own arithmetic"
HALF = "mixed precision, FP16 (emulated)"
Rng = np.random.Generator
Values = NDArray[np.generic] | None
BATCHES = (2, 4, 8, 16, 32)


def outputs_of(run: Run) -> WindowOutputs:
    """What the networks gave, from every stage's output."""
    scores = run.outputs[Stage.SCORES]
    held = WindowOutputs.of(-np.expm1(scores[..., 0]), run.outputs[Stage.DECISIONS])
    embeddings = run.outputs.get(Stage.EMBEDDINGS)
    return held if embeddings is None else replace(held, embeddings=embeddings)


def checked(
    windows: WindowOutputs, table: Timeline, trusted: WindowOutputs, samples: Samples, plan: DevicePlan, seed: int
) -> DriftReport:
    """Hold a candidate against a sample of a reference whose windows are all known."""
    numbers = choose(len(trusted), WINDOW_SEC, (seed,))
    sample = Recomputed(numbers, trusted.at(numbers), len(trusted), 0.0)
    grid = FrameGrid(int(len(samples) / SAMPLE_RATE * ASSUMED_FPS), ASSUMED_FPS)
    sha256 = hashlib.sha256(np.ascontiguousarray(samples).tobytes()).hexdigest()

    def recompute(places: NDArray[np.int64]) -> Recomputed:
        return Recomputed(places, trusted.at(places), len(trusted), 0.0)

    return spot_check(windows, table, sample, samples, sha256, plan, PARAMETERS, grid, seed, recompute)


def doubts(report: DriftReport) -> tuple[str, ...]:
    """Why the whole reference is needed."""
    return report.spot_check.doubts if report.spot_check else ("none was made",)


def catalogue(seeds: int) -> None:
    """Every trial of the catalogue."""
    clips = references()
    print("| fault | size | beyond the limits | doubted | first doubt |\n| --- | --- | --- | ---: | --- |")
    missed, due, needless, within = 0, 0, 0, 0
    for fault in FAULTS:
        for size in fault.sizes:
            reference = clips[fault.clip]
            caught, first, beyond = trial(fault, size, reference, seeds)
            due, missed = due + beyond, missed + (beyond and caught < seeds)
            within, needless = within + (not beyond), needless + (not beyond and caught > 0)
            shown = "other sha256" if len(str(size)) > seeds else size
            print(
                f"| {fault.name} | {shown} | {'yes' if beyond else 'no'} | {caught} of {seeds} | {first} |", flush=True
            )
    print(f"\nBeyond the limits {due}, of which not always doubted {missed}; within {within}, doubted {needless}.\n")


def trial(fault: Fault, size: Size, reference: Reference, seeds: int) -> tuple[int, str, bool]:
    """Return how many draws doubt the candidate, the first doubt, and whether it is beyond the limits."""
    rng = np.random.default_rng(crc32(f"{fault.name} {size}".encode()))
    try:
        candidate = fault.mutate(reference, size, rng)
    except NonFiniteError:
        return seeds, "refused: not finite", True
    found = oracle.beyond(reference.timeline, candidate.timeline)
    trusted, windows = outputs_of(reference.run), outputs_of(candidate)
    reports = [
        checked(windows, candidate.timeline, trusted, reference.samples, candidate.plan, seed) for seed in range(seeds)
    ]
    said = [doubts(report) for report in reports]
    first = next((one[0].split(":")[0] for one in said if one), "")
    return sum(bool(one) for one in said), first, found is None or bool(found)


@dataclass
class LongRun:
    """Minutes of speech, and what the networks gave for them.

    Attributes:
        plan: it ran under.
        samples: (samples,) that are heard.
        kept: folder to keep the outputs in.
        name: of the samples.
    """

    plan: DevicePlan
    samples: Samples
    kept: Path | None = None
    name: str = ""

    @cached_property
    def windows(self) -> WindowOutputs:
        """What the networks gave."""
        half = self.plan.precision == "mixed" and self.plan.autocast_dtype == "float16"
        parts = [self.plan.precision, "half" if half else "", self.plan.engine, self.name]
        name = "-".join(filter(None, parts))
        path = self.kept / f"{name}.npz" if self.kept else None
        if path and path.exists():
            with np.load(path) as entry:
                return WindowOutputs(entry["speech"], entry["decisions"], entry["embeddings"])
        plan = replace(self.plan, precision="fp32") if half else self.plan
        with half_emulated() if half else nullcontext():
            windows = diarize(self.samples, plan, PARAMETERS, keep_windows=True).windows
        if windows is None:
            raise SystemExit("no windows were kept")
        if path:
            np.savez(path, speech=windows.speech, decisions=windows.decisions, embeddings=windows.embeddings)
        return windows

    def part(self, first: int, count: int) -> "tuple[WindowOutputs, NDArray[np.float32]]":
        """Some windows in a row, and the samples that they see."""
        numbers = np.arange(first, first + count)
        stop = (first + count + WINDOW_SEC - 1) * SAMPLE_RATE
        return self.windows.at(numbers), self.samples[first * SAMPLE_RATE : stop]


def at_speeds(clips: Iterable[Samples], speeds: tuple[float, ...]) -> Samples:
    """(samples,) of every clip, at each speed."""
    return np.concatenate([at_speed(clip, speed) for speed in speeds for clip in clips]).astype(np.float32)


def table_of(windows: WindowOutputs, samples: NDArray[np.float32], plan: DevicePlan) -> Timeline:
    """What follows from the windows, on frames."""
    result = replay(windows, samples, plan, PARAMETERS).diarization
    grid = FrameGrid(int(len(samples) / SAMPLE_RATE * ASSUMED_FPS), ASSUMED_FPS)
    return timeline_of(result.turns, result.scores, grid)


Broken = NDArray[np.int64]


def zeros(windows: WindowOutputs, places: Broken, _rng: Rng) -> WindowOutputs:
    """Nobody wrote these windows."""
    return with_places(windows, places, 0 * windows.speech[places], 0 * windows.decisions[places], None)


def copied(windows: WindowOutputs, places: Broken, rng: Rng) -> WindowOutputs:
    """Each is another window of the file, computed anew: not the same bits."""
    other = rng.permutation(len(windows))[: len(places)]
    return rounded(with_places(windows, places, *of(windows, other)), places, rng)


def of(windows: WindowOutputs, numbers: Broken) -> tuple[Values, Values, Values]:
    """The three outputs of some windows."""
    return windows.speech[numbers], windows.decisions[numbers], windows.embeddings[numbers]


def rounded(windows: WindowOutputs, places: Broken, rng: Rng) -> WindowOutputs:
    """Move outputs by as little as another batch would: no bits repeat, as those of a stale buffer do."""
    for values, scale in ((windows.speech, 1e-5), (windows.embeddings, 1e-4)):
        values[places] += rng.normal(scale=scale, size=values[places].shape).astype(np.float32)
    return windows


def first_of(windows: WindowOutputs, places: Broken, _rng: Rng) -> WindowOutputs:
    """Each is the last sound one before it, bit for bit: a stale buffer."""
    sound = np.setdiff1d(np.arange(len(windows)), places)
    before = sound[np.maximum(np.searchsorted(sound, places) - 1, 0)]
    return with_places(windows, places, *of(windows, before))


def voices(windows: WindowOutputs, places: Broken, rng: Rng) -> WindowOutputs:
    """The embeddings alone are those of another window, computed anew."""
    other = rng.permutation(len(windows))[: len(places)]
    return rounded(with_places(windows, places, None, None, windows.embeddings[other]), places, rng)


def with_places(
    windows: WindowOutputs, places: Broken, speech: Values, decisions: Values, embeddings: Values
) -> WindowOutputs:
    """Put outputs in their places."""
    new = WindowOutputs(windows.speech.copy(), windows.decisions.copy(), windows.embeddings.copy())
    for whole, values in ((new.speech, speech), (new.decisions, decisions), (new.embeddings, embeddings)):
        if values is not None:
            whole[places] = values
    return new


def family(count: int, rng: Rng) -> Iterator[tuple[str, Broken, Callable[..., WindowOutputs]]]:
    """Yield faults made against sampling: name, the windows that are wrong, and how."""
    everything = np.arange(count)
    for period in (2, 3, 5, 10):
        for phase in range(period):
            for how in (zeros, copied):
                yield f"every {period}th from {phase}, {how.__name__}", everything[phase::period], how
    for batch in BATCHES:
        for how in (first_of, voices):
            yield f"all but the first of {batch}, {how.__name__}", everything[everything % batch > 0], how
    for share in (0.005, 0.01, 0.02, 0.05, 0.1):
        for how in (zeros, copied, voices):
            places = np.sort(rng.choice(count, max(1, round(share * count)), replace=False))
            yield f"{share:.1%} at random, {how.__name__}", places, how
    for length, name in ((1, "one window"), (8, "one batch of 8"), (32, "one batch of 32"), (60, "one minute")):
        first = int(rng.integers(0, count - length))
        for how in (zeros, copied, voices):
            yield f"{name}, {how.__name__}", everything[first : first + length], how


def seen_by_chance(places: Broken, count: int, draws: int = 2000) -> float:
    """Compute the chance that a draw meets one of the places at all."""
    wrong = np.zeros(count, bool)
    wrong[places] = True
    return float(np.mean([wrong[choose(count, WINDOW_SEC, (seed, 1))].any() for seed in range(draws)]))


def against_sampling(run: LongRun, seeds: int) -> None:
    """The family."""
    rng = np.random.default_rng(7)
    trusted, table = run.windows, table_of(run.windows, run.samples, run.plan)
    print("| fault | windows wrong | beyond the limits | doubted | a wrong one drawn, computed |")
    print("| --- | ---: | --- | ---: | ---: |")
    for name, places, how in family(len(trusted), rng):
        windows = how(trusted, places, rng)
        wrong = table_of(windows, run.samples, run.plan)
        beyond = oracle.beyond(table, wrong)
        caught = [bool(doubts(checked(windows, wrong, trusted, run.samples, run.plan, seed))) for seed in range(seeds)]
        chance = seen_by_chance(places, len(trusted))
        print(
            f"| {name} | {len(places)} | {'yes' if beyond else 'no'} | {sum(caught)} of {seeds} | {chance:.2f} |",
            flush=True,
        )


Held = tuple[str, bool]
"""The first doubt about a piece, and whether the whole reference refuses it."""


def clean(recordings: list[dict[str, LongRun]], pieces: int) -> None:
    """Pieces of two minutes and more of sound runs, as many of each recording: none may be refused, few doubted."""
    heading()
    for name in recordings[0]:
        rng = np.random.default_rng(11)
        row(name, [piece(runs[name], runs[OWN], rng, seed) for seed in range(pieces) for runs in recordings])


def heading() -> None:
    """Print the table's head."""
    print("| candidate | pieces | the whole reference refuses | of those doubted | doubted of the others | doubts |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")


def row(name: str, pieces: list[Held]) -> None:
    """Print what became of a candidate's pieces."""
    refused = [doubt for doubt, beyond in pieces if beyond]
    passed = [doubt for doubt, beyond in pieces if not beyond]
    said = "; ".join(doubt for doubt, _ in pieces if doubt)
    counts = [len(pieces), len(refused), sum(map(bool, refused)), sum(map(bool, passed))]
    print(f"| {name} | {' | '.join(map(str, counts))} | {said} |", flush=True)


def piece(run: LongRun, trusted: LongRun, rng: Rng, seed: int) -> Held:
    """Hold a random piece of a run against the same of the reference."""
    longest = len(run.windows)
    count = int(rng.integers(111, min(400, longest)))
    first = int(rng.integers(0, longest - count))
    return held(run, trusted, first, count, seed)


def held(run: LongRun, trusted: LongRun, first: int, count: int, seed: int) -> Held:
    """Hold some windows of a run in a row against the same of the reference."""
    windows, samples = run.part(first, count)
    reference, _ = trusted.part(first, count)
    table = table_of(windows, samples, run.plan)
    found = doubts(checked(windows, table, reference, samples, run.plan, seed))
    return found[0] if found else "", bool(oracle.beyond(table_of(reference, samples, trusted.plan), table))


def conversed(plans: dict[str, DevicePlan], folder: Path, kept: Path | None, number: int) -> dict[str, Held]:
    """Hold every candidate of one conversation against the reference."""
    samples = conversation(recordings_in(folder), number)
    runs = {name: LongRun(plan, samples, kept, str(number)) for name, plan in plans.items()}
    return {name: held(run, runs[OWN], 0, len(run.windows), number) for name, run in runs.items()}


def conversations(plans: dict[str, DevicePlan], folder: Path, kept: Path | None, count: int) -> None:
    """So many conversations, whole, a process each of this machine's processors."""
    with ProcessPoolExecutor() as processes:
        every = list(processes.map(partial(conversed, plans, folder, kept), range(count)))
    heading()
    for name in plans:
        row(name, [one[name] for one in every])


def main() -> None:
    """Run the parts that are wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--pieces", type=int, default=100)
    parser.add_argument("--part", default="")
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--voices", type=Path)
    options = parser.parse_args()
    if options.part in {"", "catalogue"}:
        catalogue(options.seeds)
    exact, mixed = plan_of(), plan_of(precision="mixed", autocast_dtype="bfloat16")
    plans, clips = {OWN: exact, "mixed precision, BF16": mixed}, available_clips()
    everything = at_speeds(clips.values(), SPEEDS)
    if options.part in {"", "family"}:
        against_sampling(LongRun(exact, everything, options.kept), options.seeds)
    if options.part in {"", "clean"}:
        three = {**plans, "the shared engine": plan_of(engine="shared")}
        clean([{name: LongRun(plan, everything, options.kept) for name, plan in three.items()}], options.pieces)
    if options.part in {"", "ordinary"}:
        recordings = {clip: at_speeds([samples], ORDINARY_SPEEDS) for clip, samples in clips.items()}
        runs = [
            {name: LongRun(plan, samples, options.kept, clip) for name, plan in plans.items()}
            for clip, samples in recordings.items()
        ]
        clean(runs, -(-options.pieces // len(clips)))
    if options.part in {"", "conversations"} and options.voices:
        conversations({**plans, HALF: plan_of(precision="mixed")}, options.voices, options.kept, options.pieces)


if __name__ == "__main__":
    main()
