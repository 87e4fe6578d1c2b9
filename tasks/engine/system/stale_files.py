"""Names that carry their owner's process, so that what a killed process left behind is recognised and removed."""

import os
import platform
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

ABANDONED_SEC = 7 * 24 * 3600.0
"""Processes of other machines cannot be asked for: what nobody touched for a week is nobody's."""


def pid_namespace() -> str:
    """Identify where process IDs mean what they mean here: the host's name and, on Linux, its PID namespace.

    A container on the host's network has the host's name, and a PID namespace of its own.
    """
    namespace = Path("/proc/self/ns/pid")
    return f"{platform.node()}.{namespace.stat().st_ino}" if namespace.exists() else platform.node()


def owner_tag() -> str:
    """Return `namespace-pid-random`: unique, and naming the process that owns it."""
    return f"{pid_namespace()}-{os.getpid()}-{secrets.token_hex(8)}"


def remove_stale(folder: Path, pattern: str = "*") -> None:
    """Remove what processes that have ended left under an `owner_tag`; what cannot be removed stays."""
    for path in folder.glob(pattern):
        if is_stale(path):
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_stale(path: Path) -> bool:
    """Tell whether the process that this name belongs to has ended."""
    namespace, _, pid = path.name.removesuffix(".part").removeprefix(".step4-").rpartition("-")[0].rpartition("-")
    if namespace == pid_namespace() and pid.isdigit():
        import psutil  # noqa: PLC0415  # a tenth of what the probe's process imports, and it never comes here

        return not psutil.pid_exists(int(pid))
    with suppress(OSError):
        return time.time() - path.lstat().st_mtime > ABANDONED_SEC
    return False
