"""Names of published files, and of the folder beside them; and whether a video's name leaves room for them."""

import os
from pathlib import Path

from tasks.engine.core.errors import UsageError
from tasks.engine.core.printable import printable

MANIFEST = "_step4.json"
"""End of a manifest's name; it begins with the stem of the video's."""

PAGE = "report.html"
"""The page that shows a drift, where a run wrote one."""

EXCHANGE = ("_audio.json", "_audio.json.gz", ".rttm")
"""Ends of names of copies that later steps may rewrite: the tables are the truth."""

WORKSPACE = ".step4"
"""Folder beside the published files for everything not published: staging, finished inferences, refusals."""

TIMELINE, TURNS, EXCLUSIVE = "_timeline.parquet", "_turns.parquet", "_exclusive.parquet"
"""Ends of the tables' names; the last, where it is asked for, makes the longest name of all, else the first."""

PUBLIC = (TIMELINE, TURNS, EXCLUSIVE, *EXCHANGE, "_drift.json", f"_{PAGE}", MANIFEST)
"""Ends of every name that a publication may write, or take away where an earlier one had it."""

NAME_BYTES, PATH_BYTES = 255, 4095
"""What Linux takes, where a file system does not say (limits.h)."""


def is_exchange_copy(name: str) -> bool:
    """Tell whether a published file is a copy for others to use up."""
    return name.endswith(EXCHANGE)


def require_publishable(video: Path, output: Path, *, exclusive: bool = False) -> None:
    """Check that files can be published under a video's name, before any work.

    Args:
        video: absolute.
        output: folder to publish in, absolute; it need not be there yet.
        exclusive: are turns with one speaker at a time asked for?

    Raises:
        UsageError: a name is not UTF-8, which the published files are; one would be longer than the disk takes; or a
            folder has it.
    """
    for path in (video, output):
        if printable(path) != str(path):
            raise UsageError(f"'{printable(path)}' is not UTF-8, as what is published has to be: rename it")
    name = f"{video.stem}{EXCLUSIVE if exclusive else TIMELINE}"
    # Where an earlier publication waits while a new one takes its names: the longest path of all.
    path = output / WORKSPACE / "previous" / video.stem / name
    for kind, found, accepted in (
        ("name", len(os.fsencode(name)), limit_of(output, "PC_NAME_MAX", NAME_BYTES)),
        ("path", len(os.fsencode(path)), limit_of(output, "PC_PATH_MAX", PATH_BYTES + 1) - 1),
    ):
        if found > accepted:
            raise UsageError(
                f"{video.name!r} is too long: what is published of it would have a {kind} of {found} bytes, "
                f"and {accepted} are accepted: shorten it by {found - accepted}"
            )
    for path in (output / f"{video.stem}{suffix}" for suffix in PUBLIC):
        if path.is_dir():
            raise UsageError(f"{path} is a folder, in the place of a published file: move it, or choose another output")


def limit_of(folder: Path, name: str, usual: int) -> int:
    """Ask the file system that a folder is on, or will be, for a limit."""
    there = next(filter(os.path.isdir, (folder, *folder.parents)), Path("/"))
    try:
        return os.pathconf(there, name)
    except OSError:
        return usual
