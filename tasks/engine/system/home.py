"""A home directory for a user without one: in a container any number may be a user, with no entry in passwd."""

import os
import pwd
import tempfile
from contextlib import suppress
from pathlib import Path

from tasks.engine.core.errors import UsageError


def ensure_home() -> None:
    """Set HOME to a folder below the temporary one where this user has none: libraries ask on import, and end there.

    Raises:
        UsageError: somebody else has a folder of that name there, and could put answers into it.
    """
    if os.path.isabs(os.environ.get("HOME", "")):  # noqa: PTH117  # no Path of a variable that may be empty
        return
    with suppress(KeyError):
        pwd.getpwuid(os.getuid())
        return
    folder = Path(tempfile.gettempdir()) / f"step4-{os.getuid()}"
    with suppress(OSError):  # whoever writes into it says what is wrong with it
        folder.mkdir(mode=0o700)
    if os.path.lexists(folder) and folder.lstat().st_uid != os.getuid():
        raise UsageError(
            f"there is no home directory, and {folder} is another user's: set HOME to a folder of your own"
        )
    os.environ["HOME"] = str(folder)
