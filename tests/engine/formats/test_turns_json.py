"""Turns as JSON."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from turn_lists import turn_lists

from tasks.engine.core.errors import UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.formats import turns_json


@settings(deadline=None)
@given(turns=turn_lists)
def test_json_turns_come_back(folder: Path, turns: list[Turn]) -> None:
    """Write → read is exact."""
    path = folder / "clip.json"
    turns_json.write(path, turns)

    assert turns_json.read(path) == sorted(turns)


def test_json_turns_have_the_usual_keys(tmp_path: Path) -> None:
    """The keys of pyannote's serialize(); its other keys and a bare list are read over."""
    path = tmp_path / "clip.json"
    turns_json.write(path, [Turn(0.5, 2.0, "A")])
    listed = [{"start": 0.5, "end": 2.0, "speaker": "A"}]

    assert json.loads(path.read_text()) == {"diarization": listed}
    for content in ({"diarization": listed, "exclusive_diarization": []}, listed):
        path.write_text(json.dumps(content))
        assert turns_json.read(path) == [Turn(0.5, 2.0, "A")]


@pytest.mark.parametrize(
    "content",
    [
        '{"ok": true}',
        "3",
        "{",
        '{"diarization": [{"start": 0.5, "end": 2.0}]}',
        '{"diarization": [{"start": 2.0, "end": 0.5, "speaker": "A"}]}',
        '{"diarization": [{"start": NaN, "end": 0.5, "speaker": "A"}]}',
        '{"diarization": [{"start": 0.5, "end": Infinity, "speaker": "A"}]}',
        '{"diarization": [{"start": "0.5", "end": 1, "speaker": "A"}]}',
        '{"diarization": [1]}',
        '{"diarization": [{"start": 0, "end": 1' + 400 * "0" + ', "speaker": "A"}]}',
    ],
)
def test_other_json_is_refused(tmp_path: Path, content: str) -> None:
    """What is no list of turns is answered with what one looks like."""
    path = tmp_path / "clip.json"
    path.write_text(content)

    with pytest.raises(UsageError, match='"speaker": "A"'):
        turns_json.read(path)


def test_infinite_turns_are_not_written(tmp_path: Path) -> None:
    """JSON cannot say infinity."""
    with pytest.raises(ValueError, match="JSON"):
        turns_json.write(tmp_path / "clip.json", [Turn(0.0, float("inf"), "A")])
