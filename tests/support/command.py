"""`step4` as a person calls it, in this process."""

from pathlib import Path

import pytest

from flows.cli.main import main


def step4(*arguments: str | Path) -> int:
    """Run a command in this process; its exit code."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)
