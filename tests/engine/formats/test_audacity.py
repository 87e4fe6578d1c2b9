"""Turns as labels of Audacity."""

from pathlib import Path

from hypothesis import example, given, settings
from turn_lists import TURNS, assert_close, turn_lists

from tasks.engine.core.turns import Turn
from tasks.engine.formats import audacity


@settings(deadline=None)
@given(turns=turn_lists)
@example(turns=[Turn(0.0, 1.0, "\\a\tb\nc"), Turn(0.0, 1.0, "")])
def test_audacity_labels_come_back(folder: Path, turns: list[Turn]) -> None:
    """Write → read keeps names on one line and times to the microsecond."""
    audacity.write(folder / "clip.txt", turns)

    assert_close(audacity.read(folder / "clip.txt"), turns, 1e-6)


def test_crowsetta_reads_the_audacity_labels(tmp_path: Path) -> None:
    """A reader of annotations that is not ours finds the same labels."""
    from crowsetta.formats.seq import AudSeq

    path = tmp_path / "clip.txt"
    audacity.write(path, TURNS)
    found = AudSeq.from_file(path)

    assert list(zip(found.start_times, found.end_times, found.labels, strict=True)) == [
        (turn.start, turn.end, turn.speaker) for turn in TURNS
    ]
