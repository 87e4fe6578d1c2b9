"""The self-check: a plan is compared with the reference at every level, and the result is kept under its own key."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.engine.core.turns import Turn
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.diagnosis.selfcheck import (
    GRID,
    LEVELS_DB,
    SelfCheck,
    cache_folder,
    cache_path,
    check,
    degrade,
    remember,
    remembered,
)
from tasks.engine.inference.types import Parameters
from tasks.engine.media.sample import recording
from tasks.engine.testing import CPU_ONLY, ONE_GPU, ScriptedDiarizer

TURNS = (Turn(1.0, 9.0, "A"), Turn(9.5, 20.0, "B"))
GPU = DevicePlan("auto", "cuda:0", "Fake GPU", "mixed", "float16", 4, 2, "rms", "cpu", "a test")
MODELS = {"model.bin": "0" * 64}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setenv("STEP4_CACHE_DIR", str(tmp_path))
    return tmp_path


def result(plan: DevicePlan, verdict: str = "coherent", **fields: Any) -> SelfCheck:
    """The result of a plan."""
    return SelfCheck(plan.device, plan.device_name, plan.precision, verdict, (), **fields)


def test_the_grid_covers_the_recording() -> None:
    """Frames that lie beyond the sound would be compared as silence on both sides."""
    assert GRID.duration == pytest.approx(len(recording()) / 16_000, abs=0.1)


def test_every_level_is_compared() -> None:
    """Candidate and reference hear the same samples at each level; all agree."""
    diarizer = ScriptedDiarizer(TURNS)
    passed = check(GPU, Parameters(), diarizer)

    assert [level.level_db for level in passed.levels] == list(LEVELS_DB)
    assert (passed.verdict, passed.outcome, passed.passed) == ("coherent", "passed", True)
    assert [plan.device for plan in diarizer.calls] == ["cpu", "cuda:0"] * len(LEVELS_DB)


def test_the_worst_level_decides() -> None:
    """A device that loses quiet speech only must not compute this way."""

    def loses_quiet_speech(samples: Any, plan: DevicePlan, parameters: Any, progress: Any) -> Any:
        quiet = abs(samples).max() < 1e-3
        turns = TURNS[:1] if quiet and not plan.on_cpu else TURNS
        return ScriptedDiarizer(turns)(samples, plan, parameters, progress)

    diverged = check(GPU, Parameters(), loses_quiet_speech)

    assert [level.verdict for level in diverged.levels] == ["coherent", "coherent", "drift"]
    assert (diverged.verdict, diverged.outcome, diverged.passed) == ("drift", "diverged", False)


def test_the_reference_is_compared_with_itself() -> None:
    """On a machine without an accelerator the check is that the reference can be repeated."""
    turns = iter([TURNS, TURNS[:1]] * len(LEVELS_DB))

    def unsteady(*arguments: Any) -> Any:
        return ScriptedDiarizer(next(turns))(*arguments)

    assert check(GPU.as_reference(), Parameters(), ScriptedDiarizer(TURNS)).verdict == "reference"
    assert check(GPU.as_reference(), Parameters(), unsteady).verdict == "reference_not_repeatable"


def test_a_result_is_read_as_it_was_kept() -> None:
    """Marked as read from the cache, and equal otherwise."""
    kept = check(GPU, Parameters(), ScriptedDiarizer(TURNS))
    remember(kept, GPU, ONE_GPU, MODELS)

    assert remembered(GPU, ONE_GPU, MODELS) == replace(kept, cached=True)


@pytest.mark.parametrize(
    "changed",
    [
        {"precision": "fp32"},
        {"autocast_dtype": "bfloat16"},
        {"device_name": "Another GPU"},
        {"level": "none"},
        {"engine": "shared"},
        {"segmentation_step": 0.2},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_arithmetic_or_device_has_a_result_of_its_own(changed: dict[str, Any]) -> None:
    """What was found about one plan says nothing about another."""
    remember(result(GPU), GPU, ONE_GPU, MODELS)

    assert remembered(replace(GPU, **changed), ONE_GPU, MODELS) is None


def test_other_libraries_drivers_and_models_have_results_of_their_own() -> None:
    """An update of any of them is checked anew; the size of a batch is no other arithmetic."""
    path = cache_path(GPU, ONE_GPU, MODELS)

    assert path != cache_path(GPU, replace(ONE_GPU, driver="1.2.3"), MODELS)
    assert path != cache_path(GPU, replace(ONE_GPU, torch="9.9.9"), MODELS)
    assert path != cache_path(GPU, CPU_ONLY, MODELS)
    assert path != cache_path(GPU, ONE_GPU, {"model.bin": "1" * 64})
    assert path == cache_path(replace(GPU, batch_size=1), ONE_GPU, MODELS)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"levels": [{"unknown": 1}]}', '{"levels": 3}', "\xff"])
def test_a_result_that_cannot_be_read_is_none(text: str) -> None:
    """A cache that was cut short, or written by another version, is checked anew."""
    path = cache_path(GPU, ONE_GPU, MODELS)
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin-1")

    assert remembered(GPU, ONE_GPU, MODELS) is None


def test_a_kept_result_is_json_that_says_how_it_ended() -> None:
    """`step4 selfcheck --json` prints the same."""
    remember(result(GPU, "not_comparable", note="lost"), GPU, ONE_GPU, MODELS)
    content = json.loads(cache_path(GPU, ONE_GPU, MODELS).read_text(encoding="utf-8"))

    assert (content["outcome"], content["passed"], content["note"]) == ("failed", False, "lost")


def test_the_cache_folder_follows_the_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """STEP4_CACHE_DIR first, then `step4` in XDG_CACHE_HOME, then in the home folder."""
    assert cache_folder() == tmp_path
    monkeypatch.delenv("STEP4_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "step4"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "step4"


def test_a_plan_is_kept_unless_its_own_check_did_not_pass() -> None:
    """Nothing known, or a pass, changes nothing."""
    assert degrade(GPU, lambda _plan: None) is GPU
    assert degrade(GPU, result) is GPU
    assert degrade(GPU.as_reference(), lambda plan: result(plan, "reference_not_repeatable")) == GPU.as_reference()


def test_divergence_leads_to_fp32_and_then_to_the_cpu() -> None:
    """Each step is checked in turn, and says why it was taken."""
    to_fp32 = degrade(GPU, lambda plan: result(plan, "drift" if plan.precision == "mixed" else "coherent"))
    to_cpu = degrade(GPU, lambda plan: result(plan, "coherent" if plan.on_cpu else "drift"))

    assert (to_fp32.device, to_fp32.precision, to_fp32.level) == ("cuda:0", "fp32", "rms")
    assert to_fp32.reason == "the self-check of mixed on Fake GPU ended in drift"
    assert to_cpu.is_reference
    assert to_cpu.fallback_reason == "the self-check of fp32 on Fake GPU ended in drift"
