"""A worker whose runs start warm: forks of a process that has Prefect, torch, pyannote and the models loaded.

    prefect worker start --pool step4-gpu --type step4-warm

It serves pools of processes, and is Prefect's process worker but for how a run's process comes into being; see
`flows/server/fork_server.py`. Where no warm process is to be had, the run is started as the process worker starts it.
Prefect finds it by the entry point in pyproject.toml.
"""

import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import anyio
import anyio.abc
from prefect.client.schemas.objects import FlowRun, WorkPool
from prefect.runner._control_channel import ControlChannel
from prefect.runner._flow_run_executor import FlowRunExecutorContext
from prefect.runner._process_manager import ProcessHandle, create_isolated_termination_scope
from prefect.runner._workspace_runtime import WorkspaceSupervisorConfig, write_private_model
from prefect.runner._workspace_starter import WorkspaceResolvingEngineCommandStarter
from prefect.settings import get_current_settings
from prefect.utilities.processutils import sanitize_subprocess_env
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from flows.server.forked_run import ForkRequest
from flows.server.warm_process import ForkedRun, WarmProcesses


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
