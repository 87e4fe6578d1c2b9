"""A worker whose runs start warm: forks of a process that has Prefect, torch, pyannote and the models loaded.

    prefect worker start --pool step4-gpu --type step4-warm

It serves pools of processes, and is Prefect's process worker but for how a run's process comes into being; see
`flows/server/fork_server.py`. Where no warm process is to be had, the run is started as the process worker starts it.
Prefect finds it by the entry point in pyproject.toml.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import anyio
import anyio.abc
from prefect.client.schemas.objects import FlowRun, WorkPool
from prefect.logging import get_logger
from prefect.runner._control_channel import ControlChannel
from prefect.runner._flow_run_executor import FlowRunExecutorContext
from prefect.runner._process_manager import ProcessHandle, create_isolated_termination_scope
from prefect.runner._workspace_runtime import WorkspaceSupervisorConfig, write_private_model
from prefect.runner._workspace_starter import WorkspaceResolvingEngineCommandStarter
from prefect.settings import get_current_settings
from prefect.utilities.processutils import sanitize_subprocess_env
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from flows.server.fork_server import READY, STALE, ForkRequest
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


class WarmStarter(WorkspaceResolvingEngineCommandStarter):
    """Starts a run's process: a fork of the warm process, or a process of its own where there is none.

    Args:
        forks: where forks come from.
        folder: where the run begins.
        stream_output: does what it prints go where the worker's own output goes?
        control: the channel over which the run is told why it is to end, and tells how it ended.
        environment: what the run's configuration says of it.
    """

    def __init__(
        self,
        forks: WarmProcesses,
        folder: Path,
        *,
        stream_output: bool,
        control: ControlChannel,
        environment: Mapping[str, str | None],
    ) -> None:
        super().__init__(
            workspace_root=folder,
            stream_output=stream_output,
            control_channel=control,
            source_cwd=folder,
            environment=environment,
        )
        self._forks = forks
        self._folder = folder
        self._control = control

    async def start(
        self, flow_run: FlowRun, task_status: anyio.abc.TaskStatus[ProcessHandle] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Start the run, say so, and wait for its end."""
        run = await self.fork(flow_run)
        if run is None:
            await super().start(flow_run, task_status=task_status)
            return
        try:
            # A process group of its own: a signal reaches whatever the run has started, too.
            task_status.started(ProcessHandle(cast(Any, run), create_isolated_termination_scope(run.pid)))
            await run.wait()
        finally:
            await run.end()

    async def fork(self, flow_run: FlowRun) -> ForkedRun | None:
        """Start the run as a fork, if that is possible."""
        config = WorkspaceSupervisorConfig(
            flow_run_id=flow_run.id, workspace_root=self._workspace_root, manifest_path=self._manifest_path
        )
        write_private_model(self._config_path, config)
        request = ForkRequest(
            supervisor_config=self._config_path,
            working_directory=self._folder,
            environment=self.environment_of(flow_run),
            stream_output=self._stream_output,
        )
        path = self._config_path.with_name("fork.json")
        write_private_model(path, request)
        run = await self._forks.fork(path)
        if run is None:
            self._control.unregister(flow_run.id)
        return run

    def environment_of(self, flow_run: FlowRun) -> dict[str, str]:
        """Return what Prefect's `EngineCommandStarter` gives a run as its environment."""
        control: dict[str, str] = {}
        # Without it a run is cancelled by a signal alone.
        with suppress(RuntimeError):
            port, token = self._control.register(flow_run.id)
            control = {"PREFECT__CONTROL_PORT": str(port), "PREFECT__CONTROL_TOKEN": token}
        settings = get_current_settings().to_environment_variables(exclude_unset=True)
        return sanitize_subprocess_env(
            {
                **os.environ,
                **settings,
                **self._environment,
                "PREFECT__FLOW_RUN_ID": str(flow_run.id),
                "PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false",
                **control,
            }
        )


class WarmWorker(ProcessWorker):
    """Prefect's process worker, whose runs are forks of a warm process."""

    type = "step4-warm"
    _description = "Execute flow runs as forks of a process that has Prefect, torch, pyannote and the models loaded."
    _display_name = "STEP4 warm process"

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Run a flow run to its end; one with a command of its own as the process worker does."""
        if configuration._command_configured:  # noqa: SLF001
            return await super().run(flow_run, configuration, task_status)
        async with self.starter_for(configuration) as (context, starter):
            executor = context.create_executor(
                flow_run, starter, propose_submitting=False, hook_runner=starter.hook_runner
            )
            result = await executor.submit(task_status=cast(Any, PidOf(task_status)))
        if result is None or result.status_code is None:
            raise RuntimeError("Failed to start flow run process.")
        return ProcessWorkerResult(status_code=result.status_code, identifier=str(result.handle.pid))

    @asynccontextmanager
    async def starter_for(
        self, configuration: ProcessJobConfiguration
    ) -> AsyncIterator[tuple[FlowRunExecutorContext, WarmStarter]]:
        """Give what starts a run and watches over it."""
        given = configuration.working_dir
        folder = nullcontext(str(given)) if given else tempfile.TemporaryDirectory(suffix="prefect")
        with folder as name:
            async with FlowRunExecutorContext() as context:
                starter = WarmStarter(
                    self._warm,
                    Path(name).resolve(),  # noqa: ASYNC240  # Prefect does so here
                    stream_output=configuration.stream_output,
                    control=context.control_channel,
                    environment=configuration.env,
                )
                context.call_after_exit(starter.close)
                yield context, starter

    def _record_work_pool_snapshot(self, work_pool: WorkPool) -> None:
        """Serve pools of processes, of whose other name Prefect would warn."""
        super()._record_work_pool_snapshot(work_pool.model_copy(update={"type": self.type}))

    async def __aenter__(self) -> Self:
        """Warm up while the worker asks for its first run."""
        self._warm = WarmProcesses()
        await self._warm.warm_up()
        await super().__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """End the warm process after the runs."""
        try:
            await super().__aexit__(*exc_info)
        finally:
            with anyio.CancelScope(shield=True):
                await self._warm.end()


@dataclass(frozen=True)
class PidOf:
    """Passes a started process on as its pid, which is what a worker reports."""

    reported: anyio.abc.TaskStatus[int] | None

    def started(self, handle: ProcessHandle) -> None:
        """Report it."""
        if self.reported is not None and handle.pid is not None:
            self.reported.started(handle.pid)
