# ruff: noqa: E402  # the path to the test helpers must be set before they are imported
"""Tries every seeded fault and every clean run, and prints what became of them as `docs/faults.md` shows it.

Run: ``python benchmarks/fault_catalogue.py DATE > docs/faults.md``. About four minutes on one core.
"""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / name) for name in ("support", "faults"))]
warnings.simplefilter("ignore")

import torch
from catalogue import FAULTS
from clips import references
from test_clean_runs import CLEAN, judged
from trial import Fault, Size, Trial, attempt

from tasks.engine.core.choices import Verdict

HEAD = """# Fault catalogue

`python benchmarks/fault_catalogue.py DATE`, {date}, torch {torch}, CPU, one thread. Each fault is a mutation of a real
run on the recording that pyannote.audio ships (30 s), or on clips made of it: a 15 s piece where everything has to be
computed again, a 42 s clip with more voices, one with a pause, and digital silence. `tests/faults/` holds them.

Beyond: are the limits exceeded by a computation of its own, with plain loops and pyannote.metrics? A dash where there
is nothing to compare. Caught: would the candidate have been kept from being published? Worst: the criterion
farthest beyond its limit, or what was said instead.

Stage named: by localisation on drift, by the error on values that are not finite; a dash where nobody looked (within
the limits) or nothing could be compared (the sentence says why). Where everything is computed in another type there
is no one guilty stage: any of those that compute differently counts as right.

TF32 is emulated by rounding inputs and weights of all layers (not the LSTM's inner state), so a real card may differ.

| fault | struck | size | verdict | stage named | beyond | caught | worst |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


def row(fault: Fault, size: Size, trial: Trial) -> str:
    """One line of the table."""
    beyond = "-" if trial.beyond is None else "yes" if trial.beyond else "no"
    shown = "other sha256" if len(str(size)) > 20 else size
    named = "-" if trial.verdict == Verdict.NOT_COMPARABLE else trial.named or "-"
    cells = [fault.name, fault.stage, shown, trial.verdict, named, beyond]
    return f"| {' | '.join(map(str, cells))} | {'yes' if trial.caught else 'no'} | {worst(trial)} |"


def worst(trial: Trial) -> str:
    """The essence of what the gate said."""
    if trial.verdict == Verdict.COHERENT:
        return ""
    said = trial.sentence.split(": expected")[0].split(": ", 1)[-1].split(", the worst: ")[-1].split(": sha256")[0]
    return said.split(" (limit")[0].split(" of the samples")[0]


def tried() -> Iterator[tuple[Fault, Size, Trial]]:
    """Every fault at every size."""
    clips = references()
    for fault in FAULTS:
        for size in fault.sizes:
            yield fault, size, attempt(fault, size, clips[fault.clip])


def is_right(fault: Fault, trial: Trial) -> bool:
    """Is the guilty stage named?"""
    return trial.named in {*fault.stages, fault.stage}


def main(date: str) -> None:
    """Print the page."""
    print(HEAD.format(date=date, torch=torch.__version__.split("+")[0]))
    trials = []
    for fault, size, trial in tried():
        trials.append((fault, trial))
        print(row(fault, size, trial), flush=True)
    due = [trial for _, trial in trials if trial.beyond is None or trial.beyond]
    looked = [(fault, trial) for fault, trial in trials if trial.caught and trial.verdict != Verdict.NOT_COMPARABLE]
    alarms = sum(trial.caught for _, trial in trials if trial.beyond == set())
    caught, named = sum(trial.caught for trial in due), sum(is_right(fault, trial) for fault, trial in looked)
    print(f"\n{len(FAULTS)} faults, {len(trials)} trials. Beyond the limits or not comparable: {len(due)}, of them")
    print(f"caught: {caught}. Drift or not finite: {len(looked)}, of them with the right stage named: {named}.")
    print(f"Within the limits: {len(trials) - len(due)}, of them refused: {alarms}.")
    false = [seed for seed, run in CLEAN if judged(seed, run).verdict is not Verdict.COHERENT]
    print(
        "\nClean runs (five 12 s excerpts, levels from +10 to -80 dB, batch sizes 1, 2, 4 and 7, one and two threads,"
    )
    print(f"dither of a hundredth of a 16-bit step): {len(CLEAN)}, false alarms: {len(false)}.")


if __name__ == "__main__":
    main(sys.argv[1])
