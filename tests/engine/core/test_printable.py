"""Names that are not UTF-8, spelt so that UTF-8 can say them."""

import os

import pytest

from tasks.engine.core.printable import printable


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        (b"clip.mp4", "clip.mp4"),
        ("Zoë 🎬 {x}.mp4".encode(), "Zoë 🎬 {x}.mp4"),
        (b"caf\xe9.mp4", "caf\\xe9.mp4"),
        (b"\x83e\x83X\x83g.mp4", "\\x83e\\x83X\\x83g.mp4"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"Zo\xc3\xab caf\xe9", "Zoë caf\\xe9"),
    ],
)
def test_bytes_that_are_not_utf_8_are_spelt_out(name: bytes, spelt: str) -> None:
    """Latin-1, Shift JIS and no encoding at all; what is UTF-8 stays as it is."""
    assert printable(os.fsdecode(name)) == spelt
    assert printable(os.fsdecode(name)).encode()


def test_half_a_character_from_json_is_spelt_out() -> None:
    """It stands for no byte of any name."""
    assert printable("\ud83d.mp4") == "\\ud83d.mp4"
