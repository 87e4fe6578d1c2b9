"""Names that tell who is at work, so that what a killed process left behind can be recognised and removed."""

import os
import platform
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

import psutil

ABANDONED_SEC = 7 * 24 * 3600.0
"""Of other machines we cannot ask who lives: what nobody touched for a week is nobody's."""


def machine() -> str:
    """Where process numbers mean what they mean here: the host's name, and the space that numbers are counted in.

    A container on the host's network has the host's name, but numbers of its own.
    """
    space = Path("/proc/self/ns/pid")
    return f"{platform.node()}.{space.stat().st_ino}" if space.exists() else platform.node()


def owner_tag() -> str:
    """`machine-pid-random`: unique, and naming its owner."""
    return f"{machine()}-{os.getpid()}-{secrets.token_hex(8)}"


def remove_stale(folder: Path, pattern: str = "*") -> None:
    """Remove what processes that have ended left under `owned_name`s; what cannot be removed stays."""
    for path in folder.glob(pattern):
        if is_stale(path):
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_stale(path: Path) -> bool:
    """Has the process that this name belongs to ended?"""
    where, _, pid = path.name.removesuffix(".part").removeprefix(".step4-").rpartition("-")[0].rpartition("-")
    if where == machine() and pid.isdigit():
        return not psutil.pid_exists(int(pid))
    with suppress(OSError):
        return time.time() - path.lstat().st_mtime > ABANDONED_SEC
    return False
