# ruff: noqa: E402  # the path to the test helpers must be set before they are imported
"""Tries every seeded fault and every clean run, and prints what became of them as `docs/lab_notes/faults.md` shows it.

Run: ``python benchmarks/robustness/fault_catalogue.py DATE > docs/lab_notes/faults.md``. Four minutes on one core.
"""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / name) for name in ("support", "faults"))]
warnings.simplefilter("ignore")

import torch
from catalogue import FAULTS
from clips import references
from test_clean_runs import CLEAN, judged
from trial import Fault, Size, Trial, attempt

from tasks.engine.core.choices import Verdict

HEAD = """# Fault catalogue

- {trials} trials of {faults} faults. Beyond the limits or not comparable are {due}: the gate caught {caught}.
- Drift, or values that are not finite, in {looked}: the stage named is a right one in {named}.
- Within the limits are {within}: the gate refused {alarms}.
- {clean} clean runs, five 12 s excerpts under changes that must not matter (below): {false} false alarms.
- All of it on a CPU. TF32 is emulated, and a real card may differ from the emulation.

`python benchmarks/robustness/fault_catalogue.py DATE`, {date}, torch {torch}, CPU, one thread. Each fault is a mutation
of a real run on the recording that pyannote.audio ships (30 s), or on clips made of it: a 15 s piece (12 s in FP16)
where everything has to be computed again, a 42 s clip with more voices, one with a pause, and digital silence.
`tests/faults/` holds them. Clean runs differ in level (+10 to -80 dB), batch size (1, 2, 4 and 7), threads (one and
two) and dither (a hundredth of a 16-bit step).

Columns:

- *struck*: the stage that the fault was seeded in; *size*: how much of it.
- *beyond*: does an independent computation, with plain loops and pyannote.metrics, find the limits exceeded? A dash
  where there is nothing to compare.
- *caught*: was the candidate kept from being published?
- *worst*: the criterion farthest beyond its limit, or else the message of the error.
- *stage named*: on drift by fault localization, otherwise by the error about values that are not finite. A dash where
  no stage was looked for (within the limits) or nothing could be compared (*worst* says why). A fault that changes the
  arithmetic of several stages counts as named where any of these is.

TF32 is emulated by rounding inputs and weights of all layers to 10 bits of mantissa; the LSTM's inner state is not.

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
    trials, rows = [], []
    for fault, size, trial in tried():
        trials.append((fault, trial))
        rows.append(row(fault, size, trial))
        print(rows[-1], file=sys.stderr)
    due = [trial for _, trial in trials if trial.beyond is None or trial.beyond]
    looked = [(fault, trial) for fault, trial in trials if trial.caught and trial.verdict != Verdict.NOT_COMPARABLE]
    counts = {
        "faults": len(FAULTS),
        "trials": len(trials),
        "due": len(due),
        "caught": sum(trial.caught for trial in due),
        "looked": len(looked),
        "named": sum(is_right(fault, trial) for fault, trial in looked),
        "within": len(trials) - len(due),
        "alarms": sum(trial.caught for _, trial in trials if trial.beyond == set()),
        "clean": len(CLEAN),
        "false": sum(judged(seed, run).verdict is not Verdict.COHERENT for seed, run in CLEAN),
    }
    print(HEAD.format(date=date, torch=torch.__version__.split("+")[0], **counts))
    print("\n".join(rows))


if __name__ == "__main__":
    main(sys.argv[1])
