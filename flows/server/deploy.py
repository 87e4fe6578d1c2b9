"""`make deploy`: pools, GPU limit, deployments and automations on the server that PREFECT_API_URL names.

Doing it again changes what is there instead of adding to it.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.schemas.automations import AutomationCore
from prefect.workers.process import ProcessWorker

from flows.server.dead_runs import end_silent_runs
from flows.server.processes import ROOT, require_source_tree
from tasks.engine.core.errors import Step4Error, UsageError
from tasks.engine.system.environment import machine_settings
from tasks.orchestration.server import require_server

POOLS = {
    "step4-gpu": "Inference, one run at a time per GPU.",
    "step4-cpu": "Batches, audits and alerts: they wait more than they compute.",
}


def gpu_slot_of_this_machine() -> str:
    """Name of the limit that runs on this machine take a place of."""
    return machine_settings().gpu_slot or f"gpu:{platform.node()}"


def make_pools() -> None:
    """Create a pool of processes per hardware class, on bare machines; a pool of containers is made by hand.

    The warm worker serves pools of this type too: a server cannot change a pool's type, and deployments hang on pools.
    """
    template = ProcessWorker.get_default_base_job_template()
    with get_client(sync_client=True) as client:
        for name, description in POOLS.items():
            pool = WorkPoolCreate(name=name, type="process", description=description, base_job_template=template)
            client.create_work_pool(pool, overwrite=True)


def make_gpu_limit(gpus: int) -> None:
    """As many places as this machine has GPUs; where the limit exists, it has that many from now on."""
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(gpu_slot_of_this_machine(), gpus)


def make_automations(file: Path = ROOT / "automations.yaml") -> None:
    """Create what the file says, or bring it up to date where it differs.

    A server forgets what an automation was watching when its trigger is written, even as it was: runs that died before
    would be watched by nobody.
    """
    with get_client(sync_client=True) as client:
        for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["automations"]:
            automation = AutomationCore.model_validate(entry)
            there = client.read_automations_by_name(automation.name)
            for superfluous in there[1:]:
                client.delete_automation(superfluous.id)
            if not there:
                client.create_automation(automation)
            elif content(there[0]) != content(automation):
                client.update_automation(there[0].id, automation)


def content(automation: AutomationCore) -> dict[str, Any]:
    """Return what an automation says, without what a server adds."""
    return automation.model_dump(mode="json", include=set(AutomationCore.model_fields) - {"owner_resource"})


def deploy_flows() -> None:
    """Run `prefect deploy --all`.

    Raises:
        UsageError: with what Prefect said.
    """
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(  # noqa: S603  # our own list
        # A session of its own: Ctrl-C is for `make serve` to answer, when this is done.
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode:
        raise UsageError(f"prefect deploy --all failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def deploy(gpus: Annotated[int, typer.Option(min=1, help="GPU runs at a time on this machine.")] = 1) -> None:
    """Put pools, GPU limit, deployments and automations onto the server that PREFECT_API_URL names.

    Runs there that sent no heartbeat for two minutes, nor in the minute that it then waits, are called crashed.
    """
    require_source_tree()
    os.environ.setdefault("STEP4_HOME", str(ROOT))
    # A whole path, wherever a worker stands.
    os.environ["STEP4_INBOX"] = str(Path(os.environ.get("STEP4_INBOX") or ROOT / "inbox").absolute())
    require_server()
    # The nightly batch and the audit look through it: where it is missing they fail.
    Path(os.environ["STEP4_INBOX"]).mkdir(parents=True, exist_ok=True)
    make_pools()
    make_gpu_limit(gpus)
    deploy_flows()
    make_automations()
    if ended := end_silent_runs():
        typer.echo(f"{ended} run(s) without a heartbeat for two minutes are called crashed: start them again.")


def main() -> None:
    """Deploy; an error is one sentence and an exit code."""
    try:
        typer.run(deploy)
    except Step4Error as error:
        typer.echo(f"step4: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
