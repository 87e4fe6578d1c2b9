"""Writes the pages that follow from the code: `python docs/generate.py`. A test fails where they are not current."""

import dataclasses
import inspect
import sys
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from flows.cli.examples import EXAMPLES
from flows.cli.main import app
from profiles.profile import Profile, all_profiles
from profiles.settings import Environment
from tasks.engine.core import errors
from tasks.engine.core.timeline import SCHEMA
from tasks.engine.formats import turns_parquet
from tasks.engine.gate.tolerance import Tolerance

FOLDER = Path(__file__).parent
WARNING = "<!-- Written by docs/generate.py from the code: change the code, then run it. -->"


def main() -> None:
    """Write every generated page."""
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """File name to text."""
    return {"cli.md": text_of(commands()), "reference.md": text_of(reference())}


def text_of(blocks: Iterable[str]) -> str:
    """Blocks with an empty line between them."""
    return "\n\n".join([WARNING, *blocks]) + "\n"


def table(header: str, rows: Iterable[tuple[object, ...]]) -> str:
    """A Markdown table; columns of the header are separated by commas."""
    names = header.split(",")
    lines = [names, ["---"] * len(names), *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: object) -> str:
    """A value in a table."""
    return " ".join(str(value).split()).replace("|", "\\|")


def commands() -> Iterator[str]:
    """Every command with its arguments and options."""
    yield "# Commands"
    yield (
        "Exit codes and errors: [reference](reference.md#errors). `--help` says the same in a terminal, `--version` "
        "which version this is, and `step4 --install-completion` makes the shell complete commands, options, profiles."
    )
    for name, command in named_commands():
        function: Any = command.callback
        yield f"## step4 {name}"
        yield inspect.cleandoc(function.__doc__)
        hints = get_type_hints(function, include_extras=True)
        known = inspect.signature(function).parameters
        rows = (parameter(one, hints[option]) for option, one in known.items())
        yield table("argument or option,default,meaning", rows)
        yield "\n".join(("```sh", *EXAMPLES[name], "```"))


def named_commands() -> Iterator[tuple[str, Any]]:
    """Every command with the words that call it, those of groups last."""
    groups = [("", app), *((f"{group.name} ", group.typer_instance) for group in app.registered_groups)]
    for prefix, group in groups:
        for command in group.registered_commands:
            yield f"{prefix}{command.name or command.callback.__name__}", command


def parameter(one: inspect.Parameter, hint: Any) -> tuple[str, str, str]:
    """Name, default and meaning of an argument or option."""
    kind, *about = get_args(hint) if get_args(hint) and get_origin(hint) is Annotated else (hint,)
    known = next(note for note in about if isinstance(note, ArgumentInfo | OptionInfo))
    stated = known.show_default if isinstance(known.show_default, str) else None
    default = stated or ("" if one.default in (None, False) else f"`{one.default}`")
    default = "needed" if one.default is one.empty else default
    if isinstance(known, ArgumentInfo):
        return f"`{known.metavar or one.name.upper()}`", default, known.help or ""
    # In an annotation typer keeps the first of an option's names where a default would stand.
    declared = [name for name in (known.default, *(known.param_decls or ())) if isinstance(name, str)]
    names = ", ".join(f"`{name}`" for name in declared or [f"--{one.name.replace('_', '-')}"])
    shown = known.metavar or value_of(kind)
    return f"{names} `{shown}`" if shown else names, default, known.help or ""


def value_of(kind: Any) -> str:
    """What an option takes: its choices, or the kind of its value; nothing for a switch."""
    kind = next((part for part in get_args(kind) if part is not NoneType), kind)
    if kind is bool:
        return ""
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return "|".join(one.value for one in kind)
    return {Path: "PATH", int: "N"}.get(kind, "TEXT")


def reference() -> Iterator[str]:
    """Columns, limits, settings, profiles and errors."""
    yield "# Reference"
    yield "## Columns of the timeline"
    yield "`clip_timeline.parquet`, one row per video frame, nothing null."
    yield columns(SCHEMA)
    yield "## Columns of the turns"
    yield "`clip_turns.parquet`, one row per turn, sorted by start, nothing null."
    yield columns(turns_parquet.SCHEMA)
    yield "## Criteria and their limits"
    yield table("name,limit,what is measured", map(limit, dataclasses.fields(Tolerance)))
    yield "## Settings"
    yield "In the environment or in `.env`. A flow parameter or option beats them; they beat the profile."
    yield table("variable,default,meaning", map(setting, Environment.model_fields.values()))
    yield "## What a profile may say"
    yield table("field,default,meaning", profile_fields())
    yield "## Profiles"
    yield table("name,aliases,device,precision,for", map(profile, all_profiles().values()))
    yield "## Errors"
    yield table("class,exit code,meaning", error_tree())


def columns(schema: Any) -> str:
    """The columns of a Parquet schema."""
    rows = ((f"`{one.name}`", one.type, one.metadata[b"description"].decode()) for one in schema)
    return table("column,type,meaning", rows)


def limit(field: Any) -> tuple[str, str, str]:
    """Name, limit and title of a criterion."""
    sign = "<" if field.metadata["strict"] else "<="
    return f"`{field.name}`", f"{sign} {field.default:g} {field.metadata['unit']}", field.metadata["title"]


def setting(field: Any) -> tuple[str, str, str]:
    """Names, default and meaning of a variable."""
    names = ", ".join(f"`{name}`" for name in field.validation_alias.choices)
    return names, "profile" if field.default is None else f"`{field.default}`", field.description


def profile_fields() -> Iterator[tuple[str, str, str]]:
    """Fields of a profile file; its name is the file's."""
    for name, field in Profile.model_fields.items():
        if name != "name":
            default = "needed" if field.is_required() else f"`{field.default}`"
            yield f"`{name}`", default, field.description or ""


def profile(one: Profile) -> tuple[str, str, str, str, str]:
    """A row of the profiles."""
    return f"`{one.name}`", ", ".join(f"`{alias}`" for alias in one.aliases), one.device, one.precision, one.description


def error_tree() -> Iterator[tuple[str, int, str]]:
    """Every error a user can meet."""
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, errors.Step4Error):
            yield f"`{name}`", kind.exit_code, (inspect.getdoc(kind) or "").splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
