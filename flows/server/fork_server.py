"""The warm process: Prefect, torch, pyannote and the models are loaded once, and each run is a fork of it.

    warm up (`warm_up.py`) → for each run: fork (`forked_run.py`), tell its pid, tell how it ended

Started by the warm worker (`warm_worker.py`), never by hand. It ends when its worker has, and its last run.
"""

import os
import selectors
import signal
import socket
import sys
from pathlib import Path

from flows.server.forked_run import ForkRequest, exit_code_of, lead_group, leave, run
from flows.server.warm_up import Warm, fingerprint, warm_up

READY, STALE = b"ready", b"stale"


def main() -> None:
    """Warm up, serve, and be a run after each fork."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # This process ends when its worker does, and no signal must come before a fork is ready for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    warm = warm_up()
    control.send(READY)
    request = serve(control, warm)
    if request:
        leave(exit_code_of(lambda: run(request, warm)))


def serve(control: socket.socket, warm: Warm) -> ForkRequest | None:
    """Fork for every request until the worker is gone and the last run has ended.

    Returns:
        In a fork, the run that it is to be; None in this process, at the end.
    """
    with selectors.DefaultSelector() as events:
        events.register(control, selectors.EVENT_READ)
        while events.get_map():
            for key, _ in events.select():
                if key.fileobj is not control:
                    events.unregister(key.fileobj)
                    tell_end(key)
                elif (request := accept(control, events, warm)) is not None:
                    return request
    return None


def accept(control: socket.socket, events: selectors.BaseSelector, warm: Warm) -> ForkRequest | None:
    """Take one request, which may be the worker's end; return it in the fork that was made for it."""
    message, descriptors, _, _ = socket.recv_fds(control, 65536, 1)
    if not message:
        events.unregister(control)
        return None
    connection = socket.socket(fileno=descriptors[0])
    if fingerprint() != warm.fingerprint:
        answer(connection, STALE)
        connection.close()
        return None
    pid = os.fork()
    if pid == 0:
        # A run holds nothing of its siblings, or their worker would not see them end.
        for key in list(events.get_map().values()):
            os.close(key.fd)
            if key.data:
                key.data[1].close()
        connection.close()
        return ForkRequest.model_validate_json(Path(os.fsdecode(message)).read_text(encoding="utf-8"))
    # In both processes, so that the group exists for whoever of the two comes first.
    lead_group(pid)
    events.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))
    answer(connection, str(pid).encode())
    return None


def tell_end(key: selectors.SelectorKey) -> None:
    """Bury a run that has ended, and tell the worker how."""
    pid, connection = key.data
    os.close(key.fd)
    _, status = os.waitpid(pid, 0)
    answer(connection, str(os.waitstatus_to_exitcode(status)).encode())
    connection.close()


def answer(connection: socket.socket, text: bytes) -> None:
    """Say something to the worker, who may have been killed."""
    try:
        connection.send(text)
    except OSError:
        return


if __name__ == "__main__":
    main()
