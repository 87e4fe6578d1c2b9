"""`make demo`: a real clip published and the incident caught, both as flow runs on a Prefect server of the demo's own.

server (127.0.0.1, a temporary database) and models, at the same time → two clips → the states of their task runs
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.log_setup import quiet_prefect
from flows.server.processes import child
from flows.server.serve import HOST, answers, environment, free_port
from tasks.engine.core.errors import DriftError, Step4Error
from tasks.engine.media.sample import make_clips

if TYPE_CHECKING:
    from prefect.client.schemas.objects import TaskRun

WRITTEN_WITHIN_SEC, WRITTEN_EVERY_SEC = 30.0, 1.5
"""How long the server may take to write what tasks ended in, and how often it does, with a margin."""

OPTIONS = {
    "output": None,
    "reference": None,
    "on_drift": None,
    "models": None,
    "num_speakers": None,
    "min_speakers": None,
    "max_speakers": None,
    "exclusive": None,
    "refresh": False,
    "audio_track": None,
    "accept_truncated": None,
}


def demo(
    folder: Annotated[Path, typer.Argument(help="Where the clips are made and published.")] = Path("demo"),
) -> None:
    """Publish a clip, then show its end refused, very quiet under naive FP16; both as flow runs, with their states."""
    make_clips(folder)
    with ExitStack() as running:
        home = Path(running.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        port = free_port()
        os.environ.update(environment(port, home, folder))
        quiet_prefect()
        server = running.enter_context(child("server", ("server", "start"), home))
        load_models()  # while the server starts
        # Nothing is to stop the wait but Ctrl-C, which ends the demo as it ends any command.
        answers(f"http://{HOST}:{port}/api/health", server, Event())
        code = run(folder / "clip.mp4")
        if code:
            raise Step4Error(f"the clip was not published: exit code {code}, expected 0")
        typer.echo("\nThe incident: the clip's end at a ten-thousandth of its level, under naive FP16.")
        code = run(folder / "quiet.mkv", "cpu_amp_unsafe")
        typer.echo(f"exit code {code}")
        if code != DriftError.exit_code or list(folder.glob("quiet_*")):
            raise Step4Error(f"the drift was not refused: exit code {code}, expected {DriftError.exit_code}")
        typer.echo("Caught as drift, nothing published.\n\nWhat the Prefect server was told:")
        show_states()
    typer.echo(f"\nWithout a server the same is: step4 run {folder / 'clip.mp4'}")


def load_models() -> None:
    """Load what both runs infer with."""
    from tasks.engine.inference.diarizer import pipeline_for  # noqa: PLC0415  # torch and pyannote take seconds

    pipeline_for("offline", "cpu", "fp32", "exact")


def run(video: Path, profile: str | None = None) -> int:
    """Run the flow on a video as `step4 run` does where a server was named; return its exit code."""
    from flows.cli.runner import run_all  # noqa: PLC0415  # it imports Prefect, which reads its settings then

    typer.echo(f"\n$ step4 run {video}{f' --profile {profile}' if profile else ''}")
    return run_all([video], {**OPTIONS, "profile": profile}, as_json=False)


def show_states() -> None:
    """Print each flow run and its task runs with the states that they ended in, as the server tells them."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415  # as above
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId  # noqa: PLC0415

    with get_client(sync_client=True) as client:
        for flow_run in sorted(client.read_flow_runs(), key=lambda run: str(run.start_time)):
            typer.echo(f"  {flow_run.name}: {flow_run.state_name}")
            only = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
            typer.echo(f"    {', '.join(written_states(partial(client.read_task_runs, flow_run_filter=only)))}")


def written_states(read: Callable[[], "list[TaskRun]"]) -> list[str]:
    """Return a run's tasks with their states, once the server has written them: it does so after they have ended."""
    states: list[str] = []
    until = time.monotonic() + WRITTEN_WITHIN_SEC
    while time.monotonic() < until:
        tasks = sorted(read(), key=lambda task: str(task.start_time))
        before, states = states, [f"{task.name.rpartition('-')[0]} {task.state_name}" for task in tasks]
        if states and states == before and all(task.state and task.state.is_final() for task in tasks):
            break
        time.sleep(WRITTEN_EVERY_SEC)
    return states


def main() -> None:
    """Show the demo; an error is one sentence and an exit code."""
    try:
        typer.run(demo)
    except Step4Error as error:
        typer.echo(f"step4: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
