"""`step4 selfcheck`, `step4 config`, `step4 profiles`: what this machine would do."""

import json
from typing import Annotated

import typer

from flows.cli.options import AsJson, ModelSet, ProfileName


def selfcheck(
    profile: ProfileName = None,
    models: ModelSet = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Check again even where the answer is known.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check whether this machine's accelerator agrees with its CPU: exit code 0 if so, 3 if a safer plan is needed."""
    from flows.cli.runner import run_selfcheck  # noqa: PLC0415

    raise typer.Exit(run_selfcheck({"profile": profile, "models": models, "fresh": fresh}, as_json=as_json))


def config(profile: ProfileName = None) -> None:
    """Print the effective configuration as JSON: parameters, environment, profile, and the model set in force."""
    from profiles.settings import Configuration  # noqa: PLC0415
    from tasks.engine.models.inventory import state_of  # noqa: PLC0415
    from tasks.engine.system.environment import machine_settings  # noqa: PLC0415

    effective = Configuration.resolve({"profile": profile}).model_dump(mode="json")
    machine = machine_settings().model_dump(mode="json")
    in_force = {"model_set": state_of(effective["models"])}
    typer.echo(json.dumps({**effective, **machine, **in_force}, indent=2, ensure_ascii=False))


def profiles(as_json: AsJson = False) -> None:
    """List the profiles."""
    from flows.cli.summaries import show_profiles  # noqa: PLC0415
    from profiles.profile import all_profiles  # noqa: PLC0415

    if as_json:
        known = {name: profile.model_dump(mode="json") for name, profile in all_profiles().items()}
        typer.echo(json.dumps(known, indent=2))
    else:
        show_profiles(all_profiles().values())
