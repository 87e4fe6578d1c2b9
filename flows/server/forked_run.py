"""What a fork of the warm process does: be a run, as Prefect would have started one in a new interpreter.

    its environment → Prefect's supervisor prepares the folder → Prefect's engine runs the flow

Prefect starts one interpreter for the supervisor and one for the engine: neither is needed here. A run that needs
another folder, another command or another environment than what is loaded gets a new interpreter after all, at that
point and with the same pid.
"""

import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from pydantic import BaseModel

from flows.server.warm_up import Warm


class ForkRequest(BaseModel):
    """A run that is to be started.

    Attributes:
        supervisor_config: the file that Prefect's supervisor reads.
        working_directory: where the run begins.
        environment: all of its environment.
        stream_output: does what it prints go where the worker's own output goes?
    """

    supervisor_config: Path
    working_directory: Path
    environment: dict[str, str]
    stream_output: bool


@dataclass
class EngineCommand:
    """What Prefect's supervisor would replace its process by, once it has prepared the run's folder."""

    command: list[str] = field(default_factory=list)
    folder: Path = Path()
    environment: dict[str, str] = field(default_factory=dict)

    async def remember(self, command: list[str], *, cwd: Path, environment: dict[str, str]) -> int:
        """Keep it for later, instead of executing it now."""
        self.command, self.folder, self.environment = command, cwd, environment
        return 0


def run(request: ForkRequest, warm: Warm) -> int:
    """Be a run: the environment first, then Prefect's supervisor, then Prefect's engine."""
    lead_group(0)
    take_environment(request.environment, warm)
    os.chdir(request.working_directory)
    if not request.stream_output:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # a device
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
    read_settings_again(warm)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})

    from prefect.runner import _workspace_supervisor as supervisor  # noqa: PLC0415

    engine = EngineCommand()
    # The one step of Prefect's that is not taken: to replace this process by a new interpreter.
    supervisor._launch_engine = engine.remember  # noqa: SLF001
    code = supervisor.main([str(request.supervisor_config)])
    return run_engine(engine, warm) if engine.command else code


def lead_group(pid: int) -> None:
    """Make a fork the leader of a process group, unless it has ended already."""
    try:
        os.setpgid(pid, pid)
    except ProcessLookupError:
        return


def run_engine(engine: EngineCommand, warm: Warm) -> int:
    """Run the flow here, or in a new interpreter where what is loaded here is not what it needs."""
    os.chdir(engine.folder)
    if why := why_not_here(engine, {**warm.environment, **warm.added}):
        print(f"this run gets an interpreter of its own: {why}", file=sys.stderr)  # noqa: T201  # the worker's log
        asked = {name: value for name, value in engine.environment.items() if warm.added.get(name) != value}
        os.execvpe(engine.command[0], engine.command, asked)  # noqa: S606  # as Prefect does

    from prefect.flow_engine import _main as run_flow_of  # noqa: PLC0415

    take_environment(engine.environment, warm)
    return run_flow_of([engine.environment["PREFECT__FLOW_ENTRYPOINT"]])


def why_not_here(engine: EngineCommand, before: dict[str, str]) -> str | None:
    """Say what a run needs that is not loaded here; None where there is nothing.

    Args:
        engine: what Prefect would start.
        before: the environment that was there when everything was loaded.
    """
    from prefect.utilities.processutils import get_sys_executable  # noqa: PLC0415

    from tasks.engine.core.constants import PROJECT  # noqa: PLC0415

    if engine.command != [get_sys_executable(), "-m", "prefect.engine"]:
        return f"it is started by {engine.command[0]}"
    if engine.folder.resolve() != PROJECT:
        return f"its code is in {engine.folder}, and what is loaded is from {PROJECT}"
    now = engine.environment
    changed = {name for name in before.keys() | now if before.get(name) != now.get(name) and not is_read_late(name)}
    # Prefect puts the run's folder first, from where this process has its code, too.
    if import_paths(before) | {str(PROJECT)} == import_paths(now) | {str(PROJECT)}:
        changed.discard("PYTHONPATH")
    return f"its environment differs in {', '.join(sorted(changed))}" if changed else None


def is_read_late(name: str) -> bool:
    """Tell whether a variable is read when a run needs it, not when a module is imported.

    Those of Prefect's settings, which are read again, of STEP4's own, and the choice of GPUs.
    """
    from profiles.settings import Environment, aliases_of  # noqa: PLC0415
    from tasks.engine.system.environment import TOKEN_VARIABLES  # noqa: PLC0415

    ours = {alias for one in Environment.model_fields.values() for alias in aliases_of(one)}
    return name.startswith(("PREFECT_", "STEP4_")) or name in ours | {*TOKEN_VARIABLES, "CUDA_VISIBLE_DEVICES"}


def import_paths(environment: dict[str, str]) -> set[str]:
    """Return the folders of PYTHONPATH."""
    return set(environment.get("PYTHONPATH", "").split(os.pathsep)) - {""}


def take_environment(environment: dict[str, str], warm: Warm) -> None:
    """Make it that of this process; variables that packages set when they were imported are kept."""
    added = {name: value for name, value in warm.added.items() if name not in environment or not is_read_late(name)}
    os.environ.clear()
    os.environ.update({**environment, **added})


def read_settings_again(warm: Warm) -> None:
    """Let what was read in the warm process's environment be read in this one."""
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from prefect.context import refresh_global_settings_context  # noqa: PLC0415

    from tasks.engine.inference.diarizer import unload_all  # noqa: PLC0415
    from tasks.engine.models.registry import models_folder  # noqa: PLC0415

    refresh_global_settings_context()
    log_as_set(warm)
    torch.set_num_threads(warm.threads)
    np.random.seed()  # noqa: NPY002  # the state that libraries share; Python reseeds its own after a fork
    if models_folder() != warm.models_folder:
        unload_all()


def log_as_set(warm: Warm) -> None:
    """Set Prefect's logging up as its settings now say."""
    import logging  # noqa: PLC0415

    from prefect.logging.configuration import setup_logging  # noqa: PLC0415

    for name in warm.environment.get("PREFECT_LOGGING_EXTRA_LOGGERS", "step4").split(","):
        # They would get their handlers a second time.
        logging.getLogger(name.strip()).handlers.clear()
    setup_logging(incremental=False)


def exit_code_of(program: Callable[[], int]) -> int:
    """Run a program to its end, as an interpreter would."""
    try:
        return program()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001  # the last one to see it
        traceback.print_exc()
        return 1


def leave(code: int) -> NoReturn:
    """End a run as an interpreter ends, but for giving back every object: that would copy what is shared."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  # as multiprocessing does
        atexit._run_exitfuncs()  # noqa: SLF001
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
