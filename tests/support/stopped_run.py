"""`step4` with networks that never finish, each in a way of its own; a file appears when they have begun."""

import hashlib
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from scripted_runs import dependencies

from flows.cli.command import command
from tasks.engine.dependencies import use_dependencies
from tasks.engine.system import sandbox

BEGUN = Path(sys.argv[1])


def endless(*arguments: Any) -> NoReturn:
    """Report progress until somebody ends this."""
    BEGUN.touch()
    for step in range(100_000):
        time.sleep(0.05)
        arguments[-1]("segmentation", step, 100_000)
    raise AssertionError("nobody stopped it")


def in_c(*_: Any) -> NoReturn:
    """Stay in C code, where Python hears of no signal."""
    BEGUN.touch()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
    raise AssertionError("nobody stopped it")


def deaf(*arguments: Any) -> NoReturn:
    """Take an interruption for some error of its own, as libraries do."""
    while True:
        with suppress(BaseException):
            endless(*arguments)


def on_cpu_beside(_samples: Any, plan: Any, _parameters: Any, progress: Any) -> NoReturn:
    """Compute the reference in a thread that nobody can interrupt, and the candidate where one can."""
    if plan.on_cpu:
        in_c()
    endless(progress)


NETWORKS = {network.__name__: network for network in (endless, in_c, deaf, on_cpu_beside)}


if __name__ == "__main__":
    _, _, how, *arguments = sys.argv
    sys.argv[1:] = arguments
    with use_dependencies(dependencies(NETWORKS[how], gpu=how == "on_cpu_beside", probe=sandbox.run)):
        command()
