"""Turns as RTTM."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from turn_lists import TURNS, names, turn_lists

from tasks.engine.core.errors import UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.formats import rttm


@settings(deadline=None)
@given(turns=turn_lists, file_id=names)
@example(turns=[Turn(0.0, 1.0, "<NA>"), Turn(0.0, 1.0, ""), Turn(0.0, 1.0, "50%20")], file_id="a b")
@example(turns=[Turn(0.0, 1.0, "a\u2028b\x85c\td\r\ne")], file_id="")
def test_rttm_comes_back(folder: Path, turns: list[Turn], file_id: str) -> None:
    """Write → read keeps every name exactly and every time to the microsecond, whatever the names contain."""
    path = folder / "clip.rttm"
    rttm.write(path, turns, file_id)
    back = rttm.read(path)

    assert sorted(turn.speaker for turn in back) == sorted(turn.speaker for turn in turns)
    assert [turn.start for turn in back] == pytest.approx([turn.start for turn in sorted(turns)], abs=1e-6)
    assert sorted(turn.end for turn in back) == pytest.approx(sorted(turn.end for turn in turns), abs=2e-6)
    assert all(len(line.split()) == 10 for line in path.read_text(encoding="utf-8").splitlines())


def test_rttm_has_ten_fields(tmp_path: Path) -> None:
    """The line of the format's definition; spaces in names are percent-encoded."""
    path = tmp_path / "clip.rttm"
    rttm.write(path, [Turn(2.0, 3.25, "Zoë"), Turn(0.5, 2.0, "Anne Marie")], "my clip")

    assert path.read_text(encoding="utf-8") == (
        "SPEAKER my%20clip 1 0.500000 1.500000 <NA> <NA> Anne%20Marie <NA> <NA>\n"
        "SPEAKER my%20clip 1 2.000000 1.250000 <NA> <NA> Zoë <NA> <NA>\n"
    )


def test_rttm_from_elsewhere_is_read(tmp_path: Path) -> None:
    """Nine fields, tabs, comments, other line types, Windows line ends and a byte order mark are all around."""
    path = tmp_path / "clip.rttm"
    path.write_bytes(
        b"\xef\xbb\xbf;; a comment\r\nSPKR-INFO clip 1 <NA> <NA> <NA> unknown A <NA>\r\n\r\n"
        b"SPEAKER clip 1 1 0.5 <NA> <NA> B <NA>\r\nSPEAKER\tclip\t1\t0\t2\t<NA>\t<NA>\tA\t<NA>\t<NA>"
    )

    assert rttm.read(path) == [Turn(0.0, 2.0, "A"), Turn(1.0, 1.5, "B")]


@pytest.mark.parametrize(
    "line",
    [
        "SPEAKER clip 1 0.5 1.0 <NA> <NA> A",
        "SPEAKER clip 1 0.5 1.0 <NA> <NA> Anne Marie <NA> <NA>",
        "SPEAKER clip 1 half 1.0 <NA> <NA> A <NA> <NA>",
        "SPEAKER clip 1 nan 1.0 <NA> <NA> A <NA> <NA>",
        "SPEAKER clip 1 0.5 inf <NA> <NA> A <NA> <NA>",
        "SPEAKER clip 1 -0.5 1.0 <NA> <NA> A <NA> <NA>",
        "SPEAKER clip 1 0.5 -1.0 <NA> <NA> A <NA> <NA>",
        '{"frames_analysis": []}',
        "0.5\t1.0\tA",
    ],
)
def test_malformed_rttm_names_the_line(tmp_path: Path, line: str) -> None:
    """The second line is wrong: it is named, with what a line looks like."""
    path = tmp_path / "clip.rttm"
    path.write_text(f"SPEAKER clip 1 0 1 <NA> <NA> A <NA> <NA>\n{line}\n")

    with pytest.raises(UsageError, match=r"line 2 .* RTTM has SPEAKER"):
        rttm.read(path)


def test_rttm_of_several_recordings_is_refused(tmp_path: Path) -> None:
    """Turns of two videos on one time axis would be nonsense."""
    path = tmp_path / "all.rttm"
    path.write_text("".join(f"SPEAKER {clip} 1 0 1 <NA> <NA> A <NA> <NA>\n" for clip in "ba"))

    with pytest.raises(UsageError, match=r"2 recordings \(a, b\)"):
        rttm.read(path)


def test_pyannote_reads_the_rttm(tmp_path: Path) -> None:
    """A reader that is not ours finds the same turns."""
    from pyannote.database.util import load_rttm

    rttm.write(tmp_path / "clip.rttm", TURNS, "my clip")
    annotation = load_rttm(tmp_path / "clip.rttm")["my%20clip"]

    tracks = [(part.start, part.end, label) for part, _, label in annotation.itertracks(yield_label=True)]
    assert tracks == [pytest.approx((turn.start, turn.end, turn.speaker)) for turn in TURNS]


def test_meeteval_reads_the_rttm(tmp_path: Path) -> None:
    """Another one that is not ours."""
    reason = "meeteval is published as source alone and wants a C++ compiler: pip install meeteval to run this"
    meeteval_io = pytest.importorskip("meeteval.io", reason=reason)

    rttm.write(tmp_path / "clip.rttm", TURNS, "my clip")
    lines = [
        (float(line.begin_time), float(line.begin_time + line.duration), line.speaker_id)
        for line in meeteval_io.load(tmp_path / "clip.rttm")
    ]

    assert lines == [pytest.approx((turn.start, turn.end, turn.speaker)) for turn in TURNS]
