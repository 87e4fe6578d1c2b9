"""What the line-based formats share."""

from pathlib import Path

import pytest

from tasks.engine.core.errors import UsageError
from tasks.engine.formats.text import one_line, parse_interval, parse_seconds, read_text, whole_units


@pytest.mark.parametrize(
    ("label", "line"),
    [("A", "A"), (" a \t\r\n b ", "a b"), ("\x00a\u2028b\x85c", "a b c"), ("\u00a0", ""), ("Zoë", "Zoë")],
)
def test_labels_are_one_line(label: str, line: str) -> None:
    """Runs of white space and control characters become one space, none at the ends."""
    assert one_line(label) == line


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1.5", 1.5),
        (0, 0.0),
        ("-0.1", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        (10**400, None),
        ("", None),
    ],
)
def test_seconds_are_finite_and_not_negative(value: str | float, seconds: float | None) -> None:
    """Anything else is no time."""
    assert parse_seconds(value) == seconds


def test_an_interval_does_not_end_before_it_starts() -> None:
    """It may be empty; both ends are times."""
    assert parse_interval("1", "1.0") == (1.0, 1.0)
    assert parse_interval("1", "0.5") is None
    assert parse_interval("x", "1") is None
    assert parse_interval("1", "x") is None


def test_a_text_is_read_as_it_stands(tmp_path: Path) -> None:
    """Line ends are kept, a byte order mark is not; what is not UTF-8, or absent, is a usage error."""
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\n")
    assert read_text(path, "CSV") == "a\r\nb\n"
    path.write_bytes(b"\xff")
    for unreadable in (path, tmp_path / "absent"):
        with pytest.raises(UsageError, match="could not be read as CSV"):
            read_text(unreadable, "CSV")


@pytest.mark.parametrize(
    ("seconds", "per_second", "units"),
    [(0.29, 100, 29), (4.1708333333, 1000, 4170), (1.9999999, 1_000_000, 1_999_999), (27.84, 1000, 27840), (0.0, 9, 0)],
)
def test_units_are_those_that_have_passed(seconds: float, per_second: int, units: int) -> None:
    """Rounded down, but for what is a whole number of units in decimals and not in binary."""
    assert whole_units(seconds, per_second) == units
