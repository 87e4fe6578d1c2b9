"""Drop privileges and exec: `python -I -S drop_privileges.py PARENT CPU MEMORY OUTPUT PROGRAM ARGUMENTS`.

Runs in a fresh process because `preexec_fn` is not safe beside threads. Limits and filter are inherited by everything
that the program starts, and cannot be lifted again. Imports nothing of this project.

Sources: setrlimit(2), prctl(2), seccomp(2), and Linux's `filter.h`, `seccomp.h` and `audit.h`.
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
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
BPF_LOAD_WORD, BPF_JUMP_IF_EQUAL, BPF_RETURN = 0x20, 0x15, 0x06
OFFSET_NR, OFFSET_ARCH, OFFSET_FIRST_ARGUMENT = 0, 4, 16
"""Bytes into `struct seccomp_data`."""

SOCKET_CALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""Per architecture: its `AUDIT_ARCH_…`, and the number of socket(2)."""


def lower_limit(kind: int, value: int, grace: int = 0) -> None:
    """Lower a resource limit; one that is lower already stays.

    Args:
        kind: one of `resource.RLIMIT_…`.
        value: the soft limit.
        grace: how far the hard limit lies above it.
    """
    _, hard = resource.getrlimit(kind)
    unlimited = hard == resource.RLIM_INFINITY
    soft = value if unlimited else min(value, hard)
    resource.setrlimit(kind, (soft, value + grace if unlimited else min(value + grace, hard)))


def set_parent_death_signal(parent: int) -> None:
    """Be killed when the parent ends, however it ends: an ffmpeg must not outlive a killed run."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the signal was set
        sys.exit(1)


def deny_network_sockets() -> None:
    """Install a seccomp filter that fails socket(2) with EACCES for every family but AF_UNIX.

    On other systems than Linux, and other architectures, ffmpeg's list of protocols is the only protection.
    """
    if platform.system() != "Linux" or platform.machine() not in SOCKET_CALLS:
        return
    architecture, socket_call = SOCKET_CALLS[platform.machine()]
    program = b"".join(
        struct.pack("HBBI", *instruction)  # struct sock_filter: code, jump if true, jump if false, k
        for instruction in (
            (BPF_LOAD_WORD, 0, 0, OFFSET_ARCH),
            (BPF_JUMP_IF_EQUAL, 0, 5, architecture),
            (BPF_LOAD_WORD, 0, 0, OFFSET_NR),
            (BPF_JUMP_IF_EQUAL, 0, 2, socket_call),
            (BPF_LOAD_WORD, 0, 0, OFFSET_FIRST_ARGUMENT),
            (BPF_JUMP_IF_EQUAL, 0, 1, AF_UNIX),
            (BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW),
            (BPF_RETURN, 0, 0, SECCOMP_RET_ERRNO | EACCES),
        )
    )
    instructions = ctypes.create_string_buffer(program)
    sock_fprog = ctypes.create_string_buffer(struct.pack("HP", len(program) // 8, ctypes.addressof(instructions)))
    with contextlib.suppress(OSError, AttributeError):
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, sock_fprog, 0, 0)


def main(arguments: list[str]) -> None:
    """Restrict this process, then replace it by the program."""
    parent, cpu_sec, memory_bytes, output_bytes = map(int, arguments[:4])
    set_parent_death_signal(parent)
    deny_network_sockets()
    lower_limit(resource.RLIMIT_CORE, 0)
    lower_limit(resource.RLIMIT_NOFILE, 256)
    lower_limit(resource.RLIMIT_FSIZE, output_bytes)
    lower_limit(resource.RLIMIT_CPU, cpu_sec, grace=1)  # the soft limit sends SIGXCPU, which tells the reason
    if sys.platform != "darwin":  # where it is accepted and means nothing
        lower_limit(resource.RLIMIT_AS, memory_bytes)
    try:
        os.execv(arguments[4], arguments[4:])  # noqa: S606  # no shell is what is wanted
    except OSError as error:
        sys.stderr.write(f"could not be started: {error.strerror}\n")
        sys.exit(COULD_NOT_START)


if __name__ == "__main__":
    main(sys.argv[1:])
