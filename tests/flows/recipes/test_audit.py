"""The recipe of an audit, without a flow run around it."""

from pathlib import Path

import pytest
from scripted_runs import TURNS, dependencies

from flows.recipes.audit import audit_folders
from tasks.engine.core.errors import BatchError
from tasks.engine.dependencies import use_dependencies
from tasks.engine.testing import ScriptedDiarizer

pytestmark = pytest.mark.usefixtures("clean_settings")


def test_an_empty_archive_needs_no_inference(tmp_path: Path) -> None:
    """Nothing published is nothing drawn: the report says so, and no network is asked."""
    diarizer = ScriptedDiarizer(TURNS)
    with use_dependencies(dependencies(diarizer)):
        report = audit_folders([tmp_path], seed=7)

    assert (report["exit_code"], report["published"], report["audited"], report["seed"]) == (0, 0, 0, 7)
    assert diarizer.calls == []


def test_a_manifest_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    """What cannot be examined is never counted as good: the report comes on the error."""
    (tmp_path / "clip_step4.json").write_text("{")
    with use_dependencies(dependencies(ScriptedDiarizer(TURNS))), pytest.raises(BatchError) as caught:
        audit_folders([tmp_path])

    assert (caught.value.exit_code, caught.value.report["failed"]) == (6, 1)
