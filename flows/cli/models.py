"""`step4 models`: which model sets there are, to fetch one, to verify one, and what one is made of."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.examples import epilog
from flows.cli.options import AsJson, ProfileName

models = typer.Typer(help="Model sets: list, fetch, verify, show.", no_args_is_help=True)

SetName = Annotated[
    str | None,
    typer.Argument(metavar="[offline|HUB-ID|DIR]", help="Which set.", show_default="the one in force"),
]


@models.command(name="list", epilog=epilog("models list"))
def list_(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List the model sets on this machine; nothing is fetched."""
    from tasks.engine.models.inventory import sets_here  # noqa: PLC0415

    rows = sets_here(chosen(None, profile))
    if as_json:
        print_json(rows)
        return
    for row in rows:
        row["origin"] = ", ".join(f"{name} {commit}" for name, commit in row["sources"].items()) or row["missing"]
        row["state"] = ("here" if row["here"] else "not here") + ", in force" * row["in_force"]
    show_table(rows, {"name": "set", "state": "state", "origin": "from, and at which commit"})


@models.command(epilog=epilog("models fetch"))
def fetch(
    name: SetName = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Put a copy there, for machines without a network.")
    ] = None,
    profile: ProfileName = None,
) -> None:
    """Fetch a model set, a hub revision in its newest state, and verify it; HF_TOKEN holds the token for gated ones."""
    from tasks.engine.models.fetching import fetch_set  # noqa: PLC0415
    from tasks.engine.models.inventory import contents  # noqa: PLC0415

    show_table(for_people(contents(fetch_set(chosen(name, profile), to))), {**VERIFIED, "path": "path"})


@models.command(epilog=epilog("models verify"))
def verify(name: SetName = None, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Hold every file that a set loads against what is known of it; exit code 5 where one is another or missing."""
    rows = contents_here(name, profile)
    if as_json:
        print_json(rows)
    else:
        show_table(for_people(rows), VERIFIED)


@models.command(epilog=epilog("models show"))
def show(name: SetName = None, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show what a set is made of: files, sha256, commits, licences; exit code 5 as of `verify`."""
    rows = contents_here(name, profile)
    if as_json:
        print_json(rows)
    else:
        show_table(for_people(rows), MADE_OF)


MADE_OF = {"file": "file", "sha256": "sha256", "licence": "licence", "origin": "from, and at which commit"}
VERIFIED = {"file": "file", "sha256": "sha256", "held_against": "held against"}


def chosen(name: str | None, profile: str | None) -> str:
    """Return the set that was named, else the one in force."""
    from profiles.settings import Configuration  # noqa: PLC0415

    return name or Configuration.resolve({"profile": profile}).models


def contents_here(name: str | None, profile: str | None) -> list[dict[str, Any]]:
    """Describe and check the files of a set without fetching any."""
    from tasks.engine.models.inventory import contents  # noqa: PLC0415
    from tasks.engine.models.registry import find  # noqa: PLC0415

    return contents(find(chosen(name, profile), fetch=False))


def for_people(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add what two values say together."""
    proof = {"": "nothing: no hash of it is known"}
    return [
        {
            **row,
            "held_against": proof.get(row["proof"], row["proof"]),
            "origin": " ".join(filter(None, (row["source"], row["commit"]))),
        }
        for row in rows
    ]


def print_json(rows: list[dict[str, Any]]) -> None:
    """Print rows for a program."""
    typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))


def show_table(rows: list[dict[str, Any]], columns: dict[str, str]) -> None:
    """Print rows for a person; no checksum is cut, whatever the width of the terminal."""
    lines = [list(columns.values()), *([str(row[key]) for key in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
