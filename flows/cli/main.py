"""The `step4` command: what it answers to, and the exit code of whatever went wrong."""

import logging
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.audit import audit
from flows.cli.batch import batch
from flows.cli.command import INTERRUPTED, say_interrupted
from flows.cli.compare import compare
from flows.cli.console import print_json
from flows.cli.convert import export, import_
from flows.cli.examples import epilog
from flows.cli.log_setup import quiet_prefect
from flows.cli.machine import config, profiles, selfcheck
from flows.cli.models import models
from flows.cli.report import report
from flows.cli.run import run
from profiles.variables import misspelt_variables
from tasks.engine.core.errors import Step4Error, UsageError
from tasks.engine.core.exception_map import map_exception
from tasks.engine.core.printable import printable
from tasks.engine.system.env_file import problem_of
from tasks.engine.system.home import ensure_home

app = typer.Typer(
    name="step4",
    help="Speaker timelines of videos, published only when their device agrees with the reference.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = (run, batch, audit, compare, export, import_, report, selfcheck, config, profiles)
for command in COMMANDS:
    name = command.__name__.rstrip("_")
    app.command(name=name, epilog=epilog(name))(command)
app.add_typer(models, name="models")


def show_version(asked: bool) -> None:
    """Print the version and end, where that was asked for."""
    if asked:
        typer.echo(f"step4 {version('step4-audio')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Speaker timelines of videos, published only when their device agrees with the reference."""
    for sentence in misspelt_variables():
        typer.echo(f"step4: warning: {sentence}", err=True)


def warn_of_env_file() -> None:
    """Say that `.env` cannot be read, after a command that needed no setting: any other ended with that sentence."""
    if problem := problem_of(Path(".env")):
        typer.echo(f"step4: warning: {problem}", err=True)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code: 0 done, else that of the error tree, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    logging.captureWarnings(capture=True)
    quiet_prefect()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        ensure_home()
        refuse_empty(arguments)
        code: Any = app(args=arguments, standalone_mode=False)
        warn_of_env_file()
    except Step4Error as error:
        code = complain(error, as_json="--json" in arguments)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001  # whatever it is, the exit code must say that something failed
        known, as_json = map_exception(error), "--json" in arguments
        code = complain(known, as_json=as_json) if known else unexpected(error, as_json=as_json)
    if code == INTERRUPTED:  # typer tells of it by this code, too
        say_interrupted(as_json="--json" in arguments)
    sys.exit(code or 0)


def refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse an argument without a text: an unset variable in a script would mean the working folder.

    Raises:
        UsageError: with the option it stands behind.
    """
    for before, argument in pairwise(["step4", *arguments]):
        option, given, value = argument.partition("=")
        if not argument or (option.startswith("--") and given and not value):
            raise UsageError(f"an empty text stands behind {before if not argument else option}: is a variable unset?")


def interrupt(_signal: int, _frame: object) -> None:
    """Being told to stop is like Ctrl-C: what is half done is cleared up on the way out."""
    raise KeyboardInterrupt


def complain(error: Step4Error, *, as_json: bool) -> int:
    """Say what was found and what would be accepted; on stdout too where a program reads it."""
    typer.echo(f"step4: {printable(error)}", err=True)
    if as_json:
        print_json({"error": printable(error), "exit_code": error.exit_code})
    return error.exit_code


def unexpected(error: Exception, *, as_json: bool) -> int:
    """Report a usage error of the command line itself, or an error nobody foresaw, with its cause."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
    else:
        logging.getLogger("step4").error("unexpected error", exc_info=error)
    code = Step4Error.exit_code if show is None else int(getattr(error, "exit_code", UsageError.exit_code))
    if as_json:
        print_json({"error": printable(error), "exit_code": code})
    return code


if __name__ == "__main__":
    main()
