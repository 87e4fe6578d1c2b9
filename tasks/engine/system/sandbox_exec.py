"""Gives up rights, then becomes another program: `python -I -S launch.py PARENT CPU MEMORY OUTPUT PROGRAM ARGUMENTS`.

Runs in a fresh process because `preexec_fn` is not safe beside threads. What is set here holds for the program and all
that it starts, and none of it can be taken back. Imports nothing of this project.
"""

import contextlib
import ctypes
import os
import platform
import resource
import struct
import sys

COULD_NOT_START = 127
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SIGKILL, SECCOMP_MODE_FILTER, AF_UNIX, EACCES = 9, 2, 1, 13
SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""Per machine: its audit number, and that of the system call `socket`."""


def limit(kind: int, value: int, grace: int = 0) -> None:
    """Lower a resource limit; one that is lower already stays. `grace`: how far the hard limit lies above."""
    _, hard = resource.getrlimit(kind)
    unlimited = hard == resource.RLIM_INFINITY
    soft = value if unlimited else min(value, hard)
    resource.setrlimit(kind, (soft, value + grace if unlimited else min(value + grace, hard)))


def die_with(parent: int) -> None:
    """Be killed when the parent ends, however it ends: an ffmpeg must not outlive a killed run."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def shut_network() -> None:
    """Let the kernel refuse every socket but local ones (Linux; elsewhere the protocol list is all there is)."""
    if platform.system() != "Linux" or platform.machine() not in SOCKET:
        return
    machine, socket = SOCKET[platform.machine()]
    deny, allow, load, equal, give = 0x00050000 | EACCES, 0x7FFF0000, 0x20, 0x15, 0x06
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (load, 0, 0, 4),  # which machine's system calls are these
            (equal, 0, 5, machine),
            (load, 0, 0, 0),  # which system call
            (equal, 0, 2, socket),
            (load, 0, 0, 16),  # its first argument: the family
            (equal, 0, 1, AF_UNIX),
            (give, 0, 0, allow),
            (give, 0, 0, deny),
        )
    )
    held = ctypes.create_string_buffer(program)
    filters = ctypes.create_string_buffer(struct.pack("HP", len(program) // 8, ctypes.addressof(held)))
    with contextlib.suppress(OSError, AttributeError):
        call = ctypes.CDLL(None).prctl
        call(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        call(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filters, 0, 0)


def main(arguments: list[str]) -> None:
    """Limit, then execute."""
    parent, cpu, memory, output = map(int, arguments[:4])
    die_with(parent)
    shut_network()
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_NOFILE, 256)
    limit(resource.RLIMIT_FSIZE, output)
    limit(resource.RLIMIT_CPU, cpu, grace=1)  # the soft limit has a signal of its own, which tells the reason
    if sys.platform != "darwin":  # where it is accepted and means nothing
        limit(resource.RLIMIT_AS, memory)
    try:
        os.execv(arguments[4], arguments[4:])  # noqa: S606  # no shell is what is wanted
    except OSError as error:
        sys.stderr.write(f"could not be started: {error.strerror}\n")
        sys.exit(COULD_NOT_START)


if __name__ == "__main__":
    main(sys.argv[1:])
