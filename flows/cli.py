"""The `step4` command. Heavy imports (torch, pyannote, prefect) happen in the command that needs them."""

import json
import logging
import sys
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from tasks.engine.errors import DriftError, Step4Error, UsageError

app = typer.Typer(
    name="step4",
    help="Speaker timelines of videos, published only when their device agrees with the reference.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
ProfileName = Annotated[str | None, typer.Option("--profile", help="Profile name or alias; see `step4 profiles`.")]


class Reference(StrEnum):
    """What the output is held against."""

    CPU = "cpu"
    STORED = "stored"
    NONE = "none"


class OnDrift(StrEnum):
    """What happens when candidate and reference disagree."""

    FAIL = "fail"
    SUBSTITUTE = "substitute"
    WARN = "warn"


class Format(StrEnum):
    """Formats that `export` writes."""

    AUDIO_JSON = "audio-json"
    RTTM = "rttm"
    JSON = "json"


@app.command()
def run(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Videos or audio files.")],
    profile: ProfileName = None,
    output: Annotated[Path | None, typer.Option(help="Folder to publish in; default: beside each video.")] = None,
    reference: Annotated[Reference | None, typer.Option(help="What the output is held against.")] = None,
    on_drift: Annotated[OnDrift | None, typer.Option(help="Fail, publish the reference, or publish and warn.")] = None,
    models: Annotated[str | None, typer.Option(metavar="offline|HUB-ID|DIR", help="Model set.")] = None,
    num_speakers: Annotated[int | None, typer.Option(min=1, max=255, help="Number of speakers, where known.")] = None,
    as_json: AsJson = False,
) -> None:
    """Analyse videos and publish their timelines, in this process."""
    from flows.in_process import run_all  # noqa: PLC0415

    options = {
        "profile": profile,
        "output": output,
        "reference": reference and reference.value,
        "on_drift": on_drift and on_drift.value,
        "models": models,
        "num_speakers": num_speakers,
    }
    raise typer.Exit(run_all(videos, options, as_json=as_json))


@app.command()
def compare(
    reference: Annotated[Path, typer.Argument(help="The trusted timeline, Parquet or _audio.json.")],
    candidate: Annotated[Path, typer.Argument(help="The timeline to hold against it.")],
    limits: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a limit; may be repeated.")
    ] = None,
    fps: Annotated[str | None, typer.Option(help="Frame rate of files that state none; 25 by default.")] = None,
    explain: Annotated[
        Path | None, typer.Option(metavar="VIDEO", help="On drift, compute again and name the stage that diverged.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Do two timelines agree? Exit code 0 if so, 3 if not."""
    from flows.terminal import show_report  # noqa: PLC0415
    from tasks.engine.formats.registry import load_timeline  # noqa: PLC0415
    from tasks.engine.gate.report import Verdict  # noqa: PLC0415
    from tasks.engine.gate.tolerance import Tolerance  # noqa: PLC0415
    from tasks.engine.gate.verdict import compare as hold_against  # noqa: PLC0415

    rate = frame_rate(fps)
    tolerance = Tolerance().replace_from(limits or [])
    found = load_timeline(candidate, rate)
    report = hold_against(load_timeline(reference, rate), found, tolerance)
    if explain:
        from tasks.explain import explain_afterwards  # noqa: PLC0415

        report = explain_afterwards(report, found.metadata, explain)
    if as_json:
        typer.echo(report.to_json())
    else:
        show_report(report)
    raise typer.Exit(0 if report.verdict is Verdict.COHERENT else DriftError.exit_code)


@app.command()
def export(
    timeline: Annotated[Path, typer.Argument(help="Timeline, Parquet or _audio.json.")],
    to: Annotated[Format, typer.Option("--to", help="Format to write.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write; default: stdout.")] = None,
) -> None:
    """Convert a timeline to another format."""
    from tasks.engine.formats.export import export as convert  # noqa: PLC0415

    convert(timeline, to.value, output)


@app.command(name="import")
def import_(
    audio_json: Annotated[Path, typer.Argument(help="An _audio.json of any known shape, gzipped or not.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: NAME_timeline.parquet.")] = None,
    fps: Annotated[str | None, typer.Option(help="Frame rate of files that state none; 25 by default.")] = None,
) -> None:
    """Turn an _audio.json into a timeline in Parquet."""
    from tasks.engine.formats import audio_json as reader  # noqa: PLC0415
    from tasks.engine.formats.timeline_parquet import write_timeline  # noqa: PLC0415

    stem = audio_json.name.removesuffix(".gz").removesuffix(".json").removesuffix("_audio")
    target = output or audio_json.with_name(f"{stem}_timeline.parquet")
    write_timeline(target, reader.read(audio_json, frame_rate(fps)))
    typer.echo(f"{target}", err=True)


@app.command()
def selfcheck(
    profile: ProfileName = None,
    models: Annotated[str | None, typer.Option(metavar="offline|HUB-ID|DIR", help="Model set.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Check again even where the answer is known.")] = False,
    as_json: AsJson = False,
) -> None:
    """Does this machine's accelerator agree with its CPU? Exit code 0 if so, 3 if a safer plan must be used."""
    from flows.in_process import run_selfcheck  # noqa: PLC0415

    raise typer.Exit(run_selfcheck({"profile": profile, "models": models, "fresh": fresh}, as_json=as_json))


@app.command()
def config(profile: ProfileName = None) -> None:
    """The effective configuration as JSON: parameters, environment and profile combined."""
    from profiles.settings import Configuration, secrets_present  # noqa: PLC0415

    effective = Configuration.resolve({"profile": profile}).model_dump(mode="json")
    typer.echo(json.dumps({**effective, **secrets_present()}, indent=2, ensure_ascii=False))


@app.command()
def profiles(as_json: AsJson = False) -> None:
    """The profiles there are."""
    from flows.terminal import show_profiles  # noqa: PLC0415
    from profiles.profile import all_profiles  # noqa: PLC0415

    if as_json:
        typer.echo(json.dumps({name: one.model_dump(mode="json") for name, one in all_profiles().items()}, indent=2))
    else:
        show_profiles(all_profiles().values())


def frame_rate(text: str | None) -> Fraction | None:
    """A frame rate from the command line: `25`, `23.976` or `24000/1001`.

    Raises:
        UsageError: not a positive number.
    """
    try:
        rate = Fraction(text) if text else None
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate is not None and rate <= 0:
        raise UsageError(f"--fps {text}: expected a positive number such as 25, 23.976 or 24000/1001")
    return rate


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code: 0 done, else that of the error tree, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    logging.captureWarnings(capture=True)
    try:
        code: Any = app(args=arguments, standalone_mode=False)
    except Step4Error as error:
        code = complain(error, as_json="--json" in arguments)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as error:  # noqa: BLE001  # whatever it is, the exit code must say that something failed
        code = unexpected(error, as_json="--json" in arguments)
    sys.exit(code or 0)


def complain(error: Step4Error, *, as_json: bool) -> int:
    """Say what was found and what would be accepted; on stdout too where a program reads it."""
    typer.echo(f"step4: {error}", err=True)
    if as_json:
        typer.echo(json.dumps({"error": str(error), "exit_code": error.exit_code}, ensure_ascii=False))
    return error.exit_code


def unexpected(error: Exception, *, as_json: bool) -> int:
    """A usage error of the command line itself, or an error nobody foresaw, with its cause."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
    else:
        logging.getLogger("step4").error("unexpected error", exc_info=error)
    code = Step4Error.exit_code if show is None else int(getattr(error, "exit_code", UsageError.exit_code))
    if as_json:
        typer.echo(json.dumps({"error": str(error), "exit_code": code}, ensure_ascii=False))
    return code


if __name__ == "__main__":
    main()
