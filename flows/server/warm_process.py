"""The warm process as its worker sees it: started, asked for forks, replaced when what it has loaded has changed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast

import anyio
import anyio.abc
from prefect.logging import get_logger

from flows.server.fork_server import READY, STALE
from flows.server.processes import ROOT

log = get_logger("worker.step4-warm")

FORKS_ARE_SAFE = sys.platform == "linux"
"""Elsewhere libraries of the system do not stand a fork: there this worker is Prefect's process worker."""

WARM_UP_SEC = 180.0
"""How long the warm process may take, on a slow disk and a busy machine."""

END_SEC = 10.0
"""How long it may take to end; it has nothing to do then."""


@dataclass
class ForkedRun:
    """A run's process: a child of the warm process, which says when and how it ended."""

    pid: int
    connection: socket.socket
    returncode: int | None = None

    async def wait(self) -> None:
        """Wait for its end."""
        if self.returncode is None:
            code = await asyncio.get_running_loop().sock_recv(self.connection, 64)
            self.returncode = int(code) if code else await self.outlived()
            self.connection.close()

    async def outlived(self) -> int:
        """Wait for the end of a run whose warm process is gone: how it ended, nobody can say."""
        while True:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                return 1
            await asyncio.sleep(1)

    async def end(self) -> None:
        """End it now, as Prefect does with processes of a worker that stops."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
                os.kill(self.pid, signal.SIGKILL)
        with anyio.CancelScope(shield=True):
            await self.wait()


@dataclass
class WarmProcess:
    """A process of `flows/server/fork_server.py`."""

    process: anyio.abc.Process
    control: socket.socket

    @classmethod
    async def start(cls) -> Self:
        """Start one; it warms up by itself."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(0)
        with theirs:
            process = await anyio.open_process(
                [sys.executable, "-m", "flows.server.fork_server", str(theirs.fileno())],
                # The code that the deployments' runs use.
                cwd=os.environ.get("STEP4_HOME", ROOT),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # What runs print goes where the worker's own lines go.
                stdout=None,
                stderr=None,
                start_new_session=True,
            )
        return cls(process, ours)

    async def is_ready(self) -> bool:
        """Wait until it has warmed up; False where it could not."""
        with anyio.move_on_after(WARM_UP_SEC):
            return await asyncio.get_running_loop().sock_recv(self.control, 64) == READY
        return False

    async def fork(self, request: Path) -> ForkedRun | None:
        """Start a run; None where what is loaded is no longer what is on disk, or this process has died."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(0)
        with theirs, suppress(OSError):
            socket.send_fds(self.control, [os.fsencode(request)], [theirs.fileno()])
        # Not to be left in between: a run that nobody waits for would go on.
        with anyio.CancelScope(shield=True):
            answer = await asyncio.get_running_loop().sock_recv(ours, 64)
        if answer in {b"", STALE}:
            ours.close()
            return None
        return ForkedRun(int(answer), ours)

    def retire(self) -> None:
        """Let it end with its last run."""
        self.control.close()

    async def end(self) -> None:
        """End it."""
        self.retire()
        with anyio.move_on_after(END_SEC):
            await self.process.wait()
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@dataclass
class WarmProcesses:
    """The warm process of a worker: replaced when code or models have changed, started again when it has died."""

    current: WarmProcess | None = None
    retired: list[WarmProcess] = field(default_factory=list)
    ready: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def warm_up(self) -> None:
        """Start one ahead of the first run."""
        if FORKS_ARE_SAFE:
            self.current, self.ready = await WarmProcess.start(), False

    async def fork(self, request: Path) -> ForkedRun | None:
        """Start a run; None where there is no warm process to be had."""
        async with self.lock:
            for _ in range(2 * FORKS_ARE_SAFE):
                if self.current is None:
                    await self.warm_up()
                warm = cast(WarmProcess, self.current)
                self.ready = self.ready or await warm.is_ready()
                if self.ready and (run := await warm.fork(request)):
                    return run
                self.retire()
                if not self.ready:
                    break
                log.info("Code, packages or models have changed, or the warm process has died: a new one is started.")
        log.warning("The warm process could not be started: this run gets a process of its own.")
        return None

    def retire(self) -> None:
        """Let the current one end with its last run."""
        if self.current:
            self.current.retire()
            self.retired = [*(one for one in self.retired if one.process.returncode is None), self.current]
        self.current = None

    async def end(self) -> None:
        """End them all."""
        self.retire()
        for one in self.retired:
            await one.end()
