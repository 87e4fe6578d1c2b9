"""`make serve`: a Prefect server, everything deployed, and workers, on this machine alone, until Ctrl-C.

UI that asks nobody → server (127.0.0.1, SQLite in .prefect/) → end dead runs → deploy → workers → self-check → wait
→ stop all of it
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Annotated

import httpx
import typer
from dotenv import dotenv_values

from flows.server.processes import ROOT, child, require_source_tree
from flows.server.reports import served
from flows.server.sole import sole
from flows.server.user_interface import SETTING, make_user_interface
from tasks.engine.core.errors import Step4Error, UsageError

HOST = "127.0.0.1"
START_SEC = 180.0
"""How long the server may take to answer: migrations of its database included, on a slow disk."""


def serve(
    port: Annotated[int, typer.Option(help="Port of UI and API; where it is taken, a free one.")] = 4200,
    home: Annotated[Path, typer.Option(help="Folder of the database and the logs.")] = ROOT / ".prefect",
    inbox: Annotated[Path, typer.Option(help="Folder that the nightly batch looks through.")] = ROOT / "inbox",
    gpus: Annotated[int, typer.Option(min=1, help="GPU runs at a time on this machine.")] = 1,
) -> None:
    """Serve the Prefect UI with all deployments and two workers until Ctrl-C."""
    require_source_tree()
    stop = stopped_by_signals()
    port = port if is_free(port) else free_port()
    os.environ.update(environment(port, home.absolute(), inbox.absolute()))
    logs = home.absolute() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    inbox.mkdir(parents=True, exist_ok=True)
    with ExitStack() as running:
        lock = running.enter_context(sole(home.absolute(), f"http://{HOST}:{port}"))
        make_user_interface(Path(os.environ[SETTING]))
        children = {"server": running.enter_context(child("server", ("server", "start"), logs, (lock,)))}
        typer.echo(f"Starting the Prefect server at http://{HOST}:{port}: seconds, on a slow disk a minute or two.")
        if not answers(f"http://{HOST}:{port}/api/health", children["server"], stop):
            return
        end_dead_runs()
        typer.echo("Deploying flows, pools and automations.")
        deploy(gpus)
        reports = Path(os.environ["STEP4_REPORTS_DIR"])
        running.enter_context(served(reports, HOST, int(os.environ["STEP4_REPORTS_URL"].rpartition(":")[2])))
        typer.echo("Starting two workers; the first one checks this machine.")
        for pool, kind, limit in (("step4-gpu", os.environ["STEP4_WORKER"], gpus), ("step4-cpu", "process", 8)):
            options = ("--pool", pool, "--type", kind, "--limit", str(limit), "--name", pool)
            children[pool] = running.enter_context(child(pool, ("worker", "start", *options), logs))
        start_selfcheck()
        typer.echo(f"Prefect UI: http://{HOST}:{port}   logs: {logs}   stop with Ctrl-C")
        wait(children, stop, logs)
        typer.echo("Stopping.")


def environment(port: int, home: Path, inbox: Path) -> Mapping[str, str]:
    """Return what server, workers and runs find in their environment."""
    settings = {name: value or "" for name, value in dotenv_values(ROOT / "deploy" / "prefect.env").items()}
    return {
        **settings,
        "STEP4_WORKER": os.environ.get("STEP4_WORKER") or settings["STEP4_WORKER"],
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_UI_API_URL": f"http://{HOST}:{port}/api",
        SETTING: str(home / "ui"),
        "STEP4_REPORTS_DIR": str(home / "reports"),
        "STEP4_REPORTS_URL": f"http://{HOST}:{port + 1 if is_free(port + 1) else free_port()}",
        "STEP4_HOME": str(ROOT),
        "STEP4_INBOX": str(inbox),
    }


def deploy(gpus: int) -> None:
    """Do all that `make deploy` does, and leave the GPU limit of this machine for runs to find."""
    from flows.server import deploy as deployment  # noqa: PLC0415  # Prefect reads its settings when it is imported

    os.environ["STEP4_GPU_SLOT"] = deployment.gpu_slot_of_this_machine()
    deployment.make_pools()
    deployment.make_gpu_limit(gpus)
    deployment.deploy_flows()
    deployment.make_automations()


def end_dead_runs() -> None:
    """Say of runs that a server before this one was stopped in that they ended."""
    from flows.server import dead_runs  # noqa: PLC0415  # Prefect reads its settings when it is imported

    if ended := dead_runs.end_dead_runs():
        typer.echo(f"{ended} run(s) of an earlier server had no process any more: crashed, or cancelled.")


def start_selfcheck() -> None:
    """Start the workers' first run: what it finds is heeded by all that follow."""
    from prefect.deployments import run_deployment  # noqa: PLC0415  # as above

    run_deployment("step4-selfcheck/selfcheck", timeout=0, as_subflow=False)


def is_free(port: int) -> bool:
    """Tell whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex((HOST, port)) != 0


def free_port() -> int:
    """Return a port that the system chooses."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def stopped_by_signals() -> Event:
    """Set by Ctrl-C and by SIGTERM.

    The children inherit that neither is ignored, as they would be behind an `&`: a worker that ignores SIGINT never
    ends.
    """
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def answers(url: str, server: subprocess.Popen[bytes], stop: Event) -> bool:
    """Wait until the server does; False where it was stopped first.

    Raises:
        UsageError: it ended, or was silent for too long.
    """
    until = time.monotonic() + START_SEC
    while not stop.wait(0.2):
        if _ok(lambda: httpx.get(url, timeout=2).is_success):
            return True
        if server.poll() is not None or time.monotonic() > until:
            raise UsageError(f"the Prefect server does not answer at {url}: see server.log")
    return False


def _ok(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except httpx.HTTPError:
        return False


def wait(children: Mapping[str, subprocess.Popen[bytes]], stop: Event, logs: Path) -> None:
    """Until a signal.

    Raises:
        UsageError: a process ended by itself.
    """
    while not stop.wait(0.5):
        for name, process in children.items():
            if process.poll() is not None:
                raise UsageError(f"{name} ended by itself with code {process.returncode}: see {logs / name}.log")


def main() -> None:
    """Serve; an error is one sentence and an exit code."""
    try:
        typer.run(serve)
    except Step4Error as error:
        typer.echo(f"step4: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
