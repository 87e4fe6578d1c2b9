"""Privileges are dropped before the program begins, and cannot be taken back."""

import os
import resource
import subprocess
import sys

import pytest

from tasks.engine.system import drop_privileges

LIMITS = (
    "import resource as r; print(*(r.getrlimit(getattr(r, 'RLIMIT_' + n)) for n in ('CPU', 'FSIZE', 'CORE', 'AS')))"
)


def executed(program: str, parent: int, *limits: int) -> "subprocess.CompletedProcess[str]":
    """Run a line of Python behind `drop_privileges`."""
    command = [sys.executable, "-I", "-S", drop_privileges.__file__, *map(str, (parent, *limits)), sys.executable, "-c"]
    return subprocess.run([*command, program], capture_output=True, text=True, check=False)


def test_limits_hold_for_the_program() -> None:
    """CPU time has a second between the soft limit, which sends a signal, and the hard one."""
    result = executed(LIMITS, os.getpid(), 30, 4 << 30, 1 << 20)

    assert result.stdout.startswith(f"(30, 31) ({1 << 20}, {1 << 20}) (0, 0)"), result.stderr
    if sys.platform != "darwin":
        assert result.stdout.strip().endswith(f"({4 << 30}, {4 << 30})")


def test_a_lower_limit_stays() -> None:
    """What the user allowed is never raised."""
    code = (
        "import resource as r, runpy, sys; r.setrlimit(r.RLIMIT_NOFILE, (64, 64)); "
        f"m = runpy.run_path({drop_privileges.__file__!r}); m['lower_limit'](r.RLIMIT_NOFILE, 256); "
        "print(r.getrlimit(r.RLIMIT_NOFILE))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "(64, 64)"
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 64


def test_a_process_whose_parent_is_gone_does_not_begin() -> None:
    """The parent may be killed before the death signal is set: another parent's ID tells."""
    result = executed("print('begun')", os.getpid() + 1, 30, 4 << 30, 1 << 20)

    assert (result.returncode, result.stdout) == (1, "")


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")
def test_the_filter_is_inherited() -> None:
    """A program that the program starts has no network either; the kernel confirms filter and no_new_privs."""
    code = (
        "import subprocess, sys; print(*(l for l in open('/proc/self/status') if l.startswith(('Seccomp:', 'NoN')))); "
        "sys.exit(subprocess.run([sys.executable, '-c', 'import socket; socket.socket()']).returncode)"
    )
    result = executed(code, os.getpid(), 30, 4 << 30, 1 << 20)

    assert result.stdout.split() == ["NoNewPrivs:", "1", "Seccomp:", "2"]
    assert result.returncode == 1
    assert "PermissionError" in result.stderr
