"""The `step4` command as a process: Ctrl-C ends it within seconds, at every stage, with one line and exit code 130.

Python raises KeyboardInterrupt in the main thread, once that has left a library's C code, and then waits for every
other thread. What is half done is cleared up on the way out, where that is a matter of seconds; else the process ends
without: the next run clears up, and what it started ends with it.

It imports nothing that takes time before it listens.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

INTERRUPTED = 130
SENTENCE = "interrupted; the same command goes on from what is done"
GRACE_SEC = 4.0
"""For clearing up, and for telling a server; one that is not told misses the run's heartbeats."""

CLEAR_LINE, SHOW_CURSOR = "\r\x1b[2K", "\x1b[?25h"


def command() -> None:
    """Run `step4` with the arguments of this process, and end the process."""
    stopped = watch_for_signals(GRACE_SEC)
    try:
        from flows.cli.main import main  # noqa: PLC0415  # it takes a second, and Ctrl-C may come meanwhile

        main()
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            leave()
        if not stopped.is_set():
            raise
    except KeyboardInterrupt:
        pass
    except BaseException:
        # When it is interrupted, a library may raise what it likes.
        if not stopped.is_set():
            raise
    else:
        return
    say_and_leave()


def watch_for_signals(grace_sec: float) -> threading.Event:
    """Return what is set as soon as Ctrl-C or SIGTERM comes; so many seconds later the process ends in any case."""
    stopped = threading.Event()
    reading, writing = socket.socketpair()
    writing.setblocking(False)  # noqa: FBT003  # the standard library's
    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    arguments = (stopped, reading, writing, grace_sec)
    threading.Thread(target=end_after_a_signal, args=arguments, name="signals", daemon=True).start()
    return stopped


def end_after_a_signal(
    stopped: threading.Event, reading: socket.socket, _writing: socket.socket, grace_sec: float
) -> None:
    """Wait for a signal: Python's handler runs once the main thread is back from C, and this thread learns at once.

    Args:
        stopped: is set then.
        reading: where Python writes the numbers of signals.
        _writing: its other end, which is closed with whoever holds it last.
        grace_sec: how long the main thread may take to end the process itself.
    """
    while reading.recv(1)[0] not in {signal.SIGINT, signal.SIGTERM}:
        pass
    stopped.set()
    time.sleep(grace_sec)
    say_and_leave()


def say_and_leave() -> NoReturn:
    """Say that the process was interrupted, and end it in any case."""
    try:
        say_interrupted(as_json="--json" in sys.argv)
    finally:
        leave()


def say_interrupted(*, as_json: bool) -> None:
    """Say it, on stdout too where a program reads it, to whoever still reads: behind a pipe the signal ends all."""
    terminal, stdout = sys.__stderr__, sys.__stdout__
    if terminal:
        with suppress(OSError, ValueError):
            # Where progress was drawn there was no time to take it away.
            terminal.write(f"{CLEAR_LINE if terminal.isatty() else ''}step4: {SENTENCE}\n")
    if as_json and stdout:
        with suppress(OSError, ValueError):
            stdout.write(json.dumps({"error": SENTENCE, "exit_code": INTERRUPTED}, indent=2) + "\n")


def leave() -> NoReturn:
    """End the process as interrupted. Threads are still at work, some for minutes: Python would wait for them."""
    try:
        for stream in filter(None, (sys.__stdout__, sys.__stderr__)):
            with suppress(OSError, ValueError):
                stream.write(SHOW_CURSOR if stream.isatty() else "")
                stream.flush()
    finally:
        os._exit(INTERRUPTED)


if __name__ == "__main__":
    command()
