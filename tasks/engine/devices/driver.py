"""Does the CUDA driver answer? Asked in a process of its own, since a driver that hangs cannot be interrupted."""

import ctypes
import subprocess
import sys

DEADLINE_SEC = 30.0
NO_DEVICE = 100
ASK = f"""
import ctypes, sys
try:
    driver = ctypes.CDLL("libcuda.so.1")
except OSError:
    sys.exit(0)
count = ctypes.c_int()
code = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
if code not in (0, {NO_DEVICE}):
    sys.exit(f"the CUDA driver answers with error {{code}}")
"""
"""30 ms where there is no driver; with one, its own start, which a run on the device pays anyway."""


def is_installed() -> bool:
    """Tell whether the CUDA driver's library is there; it is loaded, and not asked anything."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def check_driver(question: str = ASK, deadline_sec: float = DEADLINE_SEC) -> str | None:
    """Say why the driver is not to be asked from this process; None where it answers, or is not there.

    Args:
        question: what the process runs; tests ask others.
        deadline_sec: how long it may take.
    """
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and text
        [sys.executable, "-I", "-S", "-c", question],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, errors = process.communicate(timeout=deadline_sec)
    except subprocess.TimeoutExpired:
        process.kill()  # not waited for: inside a driver even this may take for ever
        return f"the CUDA driver did not answer within {deadline_sec:.0f} s"
    if process.returncode < 0:
        return f"asking the CUDA driver ended with signal {-process.returncode}"
    lines = errors.decode(errors="replace").strip().splitlines()
    return (lines or ["the CUDA driver could not be asked"])[-1][:200] if process.returncode else None
