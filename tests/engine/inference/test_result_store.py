"""Finished inferences: named by what decides them, whole or not there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from speech import cpu_plan

from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.inference.result_store import ResultStore, digest, key
from tasks.engine.inference.types import Diarization, Parameters

RESULT = Diarization(
    (Turn(0.5, 2.25, "SPEAKER_00", 0.875),),
    SpeechScores(np.array([0.25, 1.0], np.float32), 0.03, 0.017),
    {"device": "cpu", "autocast_dtype": None},
)


def test_a_stored_inference_belongs_to_one_engine() -> None:
    """Neither engine ever takes the other's result from the store, nor one step another's."""
    plans = [
        cpu_plan(),
        replace(cpu_plan(), engine="shared"),
        replace(cpu_plan(), engine="shared", segmentation_step=0.2),
        replace(cpu_plan(), segmentation_step=0.2),
    ]

    assert len({key("0" * 64, {}, plan, Parameters()) for plan in plans}) == len(plans)


def test_a_name_is_the_same_whatever_may_not_change_the_answer() -> None:
    """Batch size, threads, what a card is called on a CPU, and the 16-bit type that FP32 never uses."""
    plan = cpu_plan()
    same = [
        replace(plan, batch_size=1, threads=9),
        replace(plan, device_name="another processor"),
        replace(plan, autocast_dtype="bfloat16"),
    ]

    assert {key("0" * 64, {}, each, Parameters()) for each in (plan, *same)} == {key("0" * 64, {}, plan, Parameters())}


def test_a_name_changes_with_whatever_decides_the_answer() -> None:
    """Samples, models, arithmetic and every parameter."""
    plan = cpu_plan()
    names = {
        key("0" * 64, {}, plan, Parameters()),
        key("1" * 64, {}, plan, Parameters()),
        key("0" * 64, {"a": "b"}, plan, Parameters()),
        key("0" * 64, {}, replace(plan, level="none"), Parameters()),
        *(
            key("0" * 64, {}, cpu_plan("mixed", autocast_dtype=dtype), Parameters())
            for dtype in ("float16", "bfloat16")
        ),
        *(key("0" * 64, {}, plan, parameters) for parameters in (Parameters(num_speakers=2), Parameters("m"))),
        *(key("0" * 64, {}, plan, Parameters(**{name: 2})) for name in ("min_speakers", "max_speakers")),
        *(key("0" * 64, {}, plan, Parameters(**{name: 0.1})) for name in ("speech_threshold", "min_speech_sec")),
    }

    assert len(names) == 12


def test_a_name_does_not_depend_on_order() -> None:
    """A mapping has none."""
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 2, "b": 1})


def test_what_was_put_is_what_is_got(tmp_path: Path) -> None:
    """Turns, scores and facts, bit for bit, until they are dropped."""
    store = ResultStore(tmp_path / "new")
    with store.claim("entry"):
        store.put("entry", RESULT)
    entry = store.get("entry")

    assert entry is not None
    assert (entry.turns, entry.facts) == (RESULT.turns, RESULT.facts)
    assert np.array_equal(entry.scores.values, RESULT.scores.values)
    assert (entry.scores.start, entry.scores.step) == (RESULT.scores.start, RESULT.scores.step)
    store.drop("entry")
    assert store.get("entry") is None


@pytest.mark.parametrize("length", [0, 10, -20])
def test_a_damaged_entry_is_not_there(tmp_path: Path, length: int) -> None:
    """Cut anywhere, it is computed again; nothing is raised."""
    store = ResultStore(tmp_path)
    store.put("entry", RESULT)
    content = store.path("entry").read_bytes()
    store.path("entry").write_bytes(content[:length])

    assert store.get("entry") is None


def test_a_store_without_entries_is_empty(tmp_path: Path) -> None:
    """Whether its folder is there or not; the first entry ends that."""
    store = ResultStore(tmp_path / "inferences")
    assert store.is_empty()
    store.put("entry", Diarization((), SpeechScores(np.zeros(1, np.float32), 0.0, 1.0), {}))
    assert not store.is_empty()


def test_turns_with_one_speaker_at_a_time_are_kept_too(tmp_path: Path) -> None:
    """Apart from the others."""
    store = ResultStore(tmp_path)
    store.put(
        "entry", replace(RESULT, exclusive=(Turn(0.5, 1.0, "SPEAKER_00", 0.5), Turn(1.0, 2.0, "SPEAKER_01", 0.25)))
    )
    entry = store.get("entry")

    assert entry is not None
    assert entry.turns == RESULT.turns
    assert [(turn, turn.mean_score) for turn in entry.exclusive] == [
        (Turn(0.5, 1.0, "SPEAKER_00"), 0.5),
        (Turn(1.0, 2.0, "SPEAKER_01"), 0.25),
    ]
