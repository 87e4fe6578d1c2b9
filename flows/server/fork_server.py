"""The warm process: Prefect, torch, pyannote and the models are loaded once, and each run is a fork of it.

    import → load the models of the profile → prove that a fork is safe → for each run: fork, tell its pid, tell its end

Started by the warm worker (`flows/server/warm_worker.py`), never by hand. A fork keeps only the thread that forked, and
cannot use a GPU that its parent has used: this process starts no thread that lives on, and never touches a GPU.

What a fork does is Prefect's own way of starting a run, without its second and third interpreter: Prefect's supervisor
prepares the folder, then Prefect's engine runs the flow. A run that needs another folder, another interpreter or
another environment than what is loaded here gets a new interpreter after all, at that point and with the same pid.
"""

import atexit
import importlib
import json
import os
import selectors
import signal
import site
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

STARTED_WITH = dict(os.environ)
"""Before anything was imported, which may set variables of its own."""

PRELOADED = (
    # Settles what must hold before pyannote is imported.
    "tasks.engine",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.artifacts",
    "prefect.utilities.visualization",
    "prefect.runner._workspace_supervisor",
    "pyannote.audio",
    "matplotlib.backends.backend_agg",
    "flows.audio_analysis",
    "flows.selfcheck",
)
SAFE_THREADS = {"jemalloc_bg_thd"}
"""Threads of libraries that themselves see to it that a fork is safe: Arrow's allocator."""

READY, STALE = b"ready", b"stale"


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


@dataclass(frozen=True)
class Warm:
    """What was loaded.

    Attributes:
        fingerprint: of code, packages and models; another one means that something has changed since.
        models_folder: where the offline models were loaded from.
        threads: how many threads torch uses by itself.
        added: variables that imported packages have set.
    """

    fingerprint: dict[str, object]
    models_folder: Path
    threads: int
    added: dict[str, str]


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


def warm_up() -> Warm:
    """Import and load whatever a run of the profile needs, as far as that is possible without a GPU.

    Raises:
        RuntimeError: a fork would not be safe.
    """
    before = fingerprint()
    for name in PRELOADED:
        importlib.import_module(name)
    import torch  # noqa: PLC0415
    from pyannote.audio.telemetry.metrics import provider  # noqa: PLC0415

    from tasks.engine.models.registry import models_folder  # noqa: PLC0415

    # Sends nothing, and has a thread to do it.
    provider.shutdown()
    threads = torch.get_num_threads()
    # Or loading would start the threads of a pool that forks do not have.
    torch.set_num_threads(1)
    load_models()
    freeze_memory()
    refuse_threads()
    added = {name: value for name, value in os.environ.items() if STARTED_WITH.get(name) != value}
    return Warm(before, models_folder(), threads, added)


def load_models() -> None:
    """Load candidate's and reference's pipelines of the profile; a run says what is wrong where that fails."""
    from tasks.engine.core.errors import Step4Error  # noqa: PLC0415
    from tasks.engine.inference.diarizer import pipeline_for  # noqa: PLC0415

    try:
        for arguments in asked_in_a_fork(pipelines_of_the_profile):
            pipeline_for(*arguments)
    except Step4Error as error:
        print(f"no models are loaded ahead of runs: {error}", file=sys.stderr)  # noqa: T201  # the worker's log


def pipelines_of_the_profile() -> list[list[str]]:
    """Return what `pipeline_for` is asked for by runs of the profile. Looks at the GPU."""
    from profiles.settings import Configuration  # noqa: PLC0415
    from tasks.device import plan_device  # noqa: PLC0415
    from tasks.engine.devices.facts import probe  # noqa: PLC0415

    configuration = Configuration.resolve()
    candidate = plan_device(configuration, probe())
    plans = (candidate, candidate.as_reference())
    return [[configuration.models, plan.device, plan.precision, plan.engine] for plan in plans]


def asked_in_a_fork(question: Callable[[], list[list[str]]]) -> list[list[str]]:
    """Ask in a fork, so that a GPU that is looked at is not one that this process has touched; [] without an answer."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(writing, json.dumps(question()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(answer) if answer else []


def freeze_memory() -> None:
    """Let the garbage collector leave alone what is here now: its marks would copy every page into every fork."""
    import gc  # noqa: PLC0415

    gc.collect()
    gc.freeze()


def refuse_threads() -> None:
    """Prove that this process is one thread, after a fork: OpenBLAS ends its own before each.

    Raises:
        RuntimeError: it is not.
    """
    asked_in_a_fork(list)
    threads = Path("/proc/self/task").iterdir()
    names = [(one / "comm").read_text(encoding="utf-8").strip() for one in threads if int(one.name) != os.getpid()]
    if unsafe := [name for name in names if name not in SAFE_THREADS]:
        python = [thread.name for thread in threading.enumerate()]
        raise RuntimeError(f"a fork of several threads is not safe: {unsafe}, of Python {python}")


def fingerprint() -> dict[str, object]:
    """Return what runs depend on, as it is on disk now: code, `.env`, installed packages, the profile's models."""
    from tasks.engine.core.constants import PROJECT  # noqa: PLC0415

    files = [path for folder in ("flows", "tasks", "profiles") for path in (PROJECT / folder).rglob("*.*")]
    found: dict[str, object] = {}
    for path in (*files, PROJECT / ".env", *map(Path, site.getsitepackages())):
        if path.suffix != ".pyc":
            status = path.stat() if path.exists() else None
            found[str(path)] = status and (status.st_mtime_ns, status.st_size, status.st_ino)
    return found | {"models": models_of_the_profile()}


def models_of_the_profile() -> object:
    """Return checksums of the models that the profile's runs load, or why there are none."""
    from profiles.settings import Configuration  # noqa: PLC0415
    from tasks.engine.core.errors import Step4Error  # noqa: PLC0415
    from tasks.engine.models.registry import identity  # noqa: PLC0415

    try:
        return identity(Configuration.resolve().models)
    except Step4Error as error:
        return str(error)


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


def lead_group(pid: int) -> None:
    """Make a fork the leader of a process group, unless it has ended already."""
    try:
        os.setpgid(pid, pid)
    except ProcessLookupError:
        return


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


def run_engine(engine: EngineCommand, warm: Warm) -> int:
    """Run the flow here, or in a new interpreter where what is loaded here is not what it needs."""
    os.chdir(engine.folder)
    if why := why_not_here(engine, {**STARTED_WITH, **warm.added}):
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

    from tasks.engine.inference.diarizer import pipeline_for  # noqa: PLC0415
    from tasks.engine.models.registry import models_folder  # noqa: PLC0415

    refresh_global_settings_context()
    log_as_set()
    torch.set_num_threads(warm.threads)
    np.random.seed()  # noqa: NPY002  # the state that libraries share; Python reseeds its own after a fork
    if models_folder() != warm.models_folder:
        pipeline_for.cache_clear()


def log_as_set() -> None:
    """Set Prefect's logging up as its settings now say."""
    import logging  # noqa: PLC0415

    from prefect.logging.configuration import setup_logging  # noqa: PLC0415

    for name in STARTED_WITH.get("PREFECT_LOGGING_EXTRA_LOGGERS", "step4").split(","):
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


def leave(code: int) -> Any:  # noqa: ANN401  # it does not return
    """End a run as an interpreter ends, but for giving back every object: that would copy what is shared."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  # as multiprocessing does
        atexit._run_exitfuncs()  # noqa: SLF001
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
