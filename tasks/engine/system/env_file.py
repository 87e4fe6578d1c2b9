"""Can the `.env` of the working folder be read? The libraries that read it end in a traceback where it cannot.

It imports nothing that takes time: every command asks.
"""

from pathlib import Path

from tasks.engine.core.errors import UsageError
from tasks.engine.core.printable import printable


def problem_of(env_file: Path) -> str | None:
    """Say why a dotenv file that is there cannot be read; None where it can, or there is none."""
    try:
        if env_file.is_file():
            env_file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        reason: object = f"byte {error.start} is not UTF-8"
    except OSError as error:
        reason = error.strerror
    else:
        return None
    name = printable(env_file.absolute())
    return f"{name} could not be read ({reason}): expected lines NAME=value in UTF-8, or no such file"


def require_readable(env_file: Path | None) -> None:
    """Refuse a dotenv file that is there and cannot be read.

    Raises:
        UsageError: with what was found in it.
    """
    problem = problem_of(env_file) if env_file else None
    if problem:
        raise UsageError(problem)
