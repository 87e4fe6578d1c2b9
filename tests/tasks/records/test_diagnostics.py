"""Refusals are recorded and logged."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tasks.engine.core import errors
from tasks.engine.core.errors import MediaError, StorageError


@pytest.mark.usefixtures("clean_settings")
def test_refusals_are_recorded_and_logged_at_their_level(caplog: pytest.LogCaptureFixture) -> None:
    """One JSON line and one log record; a drift records itself elsewhere; a bug passes as it is."""
    import json

    from tasks.records.diagnostics import INCONSISTENCIES, failures_recorded

    def end(error: BaseException) -> None:
        with failures_recorded(Path("clip.mp4")):
            raise error

    for error, kind in ((MediaError("bad clip"), MediaError), (OSError(errno.ENOSPC, "full"), StorageError)):
        with pytest.raises(kind):
            end(error)
    with pytest.raises(errors.DriftError):
        end(errors.DriftError("off"))
    with pytest.raises(ValueError, match="bug"):
        end(ValueError("bug"))
    path = Path(os.environ["STEP4_DIAGNOSTICS_DIR"]) / INCONSISTENCIES
    lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]

    assert [(line["kind"], line["error"], line["exit_code"]) for line in lines] == [
        ("refusal", "MediaError", 4),
        ("refusal", "StorageError", 6),
    ]
    assert [record.levelno for record in caplog.records if record.name == "step4.failed"] == [30, 40, 50]
