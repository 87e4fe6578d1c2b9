"""Examples in the help: there for every command, and words that the command line takes."""

import shlex
from typing import Any

import pytest
import typer

from flows.cli.examples import EXAMPLES, epilog
from flows.cli.main import app


def test_every_command_has_examples() -> None:
    """Those of groups too; and no example is of a command that is gone."""
    names = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    for group in app.registered_groups:
        assert group.typer_instance
        names |= {
            f"{group.name} {command.name or getattr(command.callback, '__name__', '')}"
            for command in group.typer_instance.registered_commands
        }

    assert set(EXAMPLES) == names


@pytest.mark.parametrize("example", [line for lines in EXAMPLES.values() for line in lines])
def test_an_example_is_taken(example: str) -> None:
    """What stands in the help is parsed by the command that it calls, without a usage error."""
    command: Any = typer.main.get_command(app)
    words = shlex.split(example)[1:]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]

    assert command.make_context(command.name, words).params


def test_typer_keeps_the_lines_apart() -> None:
    """An empty line stands between two: single ends of lines are joined."""
    assert epilog("batch").split("\n\n")[1:] == list(EXAMPLES["batch"])
