"""The command line: what each command prints, and the exit codes that scripts rely on."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from command import step4

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("compare", "OLD", "OLD", "--set", "speed=3"), "flipped_frames_percent"),
        (("compare", "OLD", "OLD", "--fps", "fast"), "24000/1001"),
        (("compare", "OLD", "missing.parquet"), "missing.parquet"),
        (("compare", "OLD"), "candidate"),
        (("export", "OLD", "--to", "docx"), "rttm"),
        (("config", "--profile", "warp"), "gpu_fp32"),
        (("run", "OLD", "--profile", "warp"), "gpu_fp32"),
        (("run", "OLD", "--on-drift", "ignore"), "substitute"),
        (("run", "OLD", "--num-speakers", "0"), "num-speakers"),
        (("run", "OLD", "--min-speakers", "0"), "min-speakers"),
        (("batch", "OLD", "--max-speakers", "256"), "max-speakers"),
        (("run", "OLD", "--min-speakers", "3", "--max-speakers", "2"), "min_speakers <= num_speakers <= max_speakers"),
        (("run", "OLD", "--output", ""), "empty text stands behind --output"),
        (("run", "OLD", "--output="), "empty text stands behind --output"),
        (("run", ""), "empty text stands behind run"),
        (("batch", "OLD", ""), "empty text stands behind"),
        (("report", "OLD", "-o", ""), "empty text stands behind -o"),
        (("export", "caf\udce9.json", "--to", "rttm"), "caf\\xe9.json"),
        (("fly",), "fly"),
    ],
)
def test_a_wrong_request_has_exit_code_2_and_says_what_would_be_accepted(
    old: Path, arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown names and values are answered with the known ones, on stderr."""
    assert step4(*(str(old) if argument == "OLD" else argument for argument in arguments)) == 2
    captured = capsys.readouterr()
    assert told.lower() in captured.err.lower()
    assert captured.out == ""


def test_a_stranger_is_refused_as_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json an error is an object on stdout as well."""
    stranger = tmp_path / "ok.json"
    stranger.write_text('{"ok": true}')

    assert step4("compare", stranger, stranger, "--json") == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2


@pytest.mark.parametrize("arguments", [("--help",), ("compare", "--help"), ("compare", "OLD", "OLD")])
def test_light_commands_do_not_load_the_engine(old: Path, arguments: tuple[str, ...]) -> None:
    """Help and compare start at once: neither torch nor pyannote nor Prefect nor scipy is imported."""
    words = [str(old) if word == "OLD" else word for word in arguments]
    code = (
        "import sys\nfrom flows.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pyannote.audio', 'prefect', 'scipy', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name", ["run", "batch", "audit", "compare", "export", "import", "report", "selfcheck", "config", "profiles"]
)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` of a command tells what it does."""
    assert step4(name, "--help") == 0
    assert "Usage" in capsys.readouterr().out


def test_help_says_what_is_taken_where_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Defaults that come from a setting or a rule are named, and examples stand below."""
    assert step4("run", "--help") == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())

    for stated in ("beside each video", "AUDIO_PROFILE, else gpu_fp32", "STEP4_ON_DRIFT, else fail"):
        assert f"[default: ({stated})]" in shown
    assert "step4 run clip.mp4 --profile cpu --num-speakers 2" in shown


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints one line and ends with 0."""
    assert step4("--version") == 0
    assert capsys.readouterr().out == f"step4 {version('step4-audio')}\n"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("step4 ex", "export"), ("step4 run --on-d", "--on-drift"), ("step4 run --profile gpu_f", "gpu_fp32")],
)
def test_the_shell_completes(typed: str, offered: str) -> None:
    """Commands, options and names of profiles, as the script of `--install-completion` asks for them."""
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    program = Path(sys.executable).with_name("step4")
    environment = {**os.environ, **words, "_STEP4_COMPLETE": "complete_bash"}

    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.split() == [offered]


def test_a_misspelt_variable_is_warned_about(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, with the nearest name; the command goes on."""
    monkeypatch.setenv("AUDIO_PROFILES", "cpu")

    assert step4("profiles", "--json") == 0
    shown = capsys.readouterr()
    assert shown.err.startswith("step4: warning: the variable AUDIO_PROFILES is no setting")
    assert shown.err.endswith("is AUDIO_PROFILE meant?\n")
    assert json.loads(shown.out)


@pytest.mark.usefixtures("clean_settings")
@pytest.mark.parametrize(("arguments", "code"), [(("config",), 2), (("run", "no.mp4"), 2), (("profiles",), 0)])
def test_an_env_file_that_cannot_be_read_is_said_once(
    arguments: tuple[str, ...], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the error of a command that needs settings, as a warning by any other."""
    (tmp_path / ".env").write_bytes(b"# caf\xe9\n")

    assert step4(*arguments) == code
    shown = capsys.readouterr().err

    assert shown.count("could not be read (byte 5 is not UTF-8)") == 1
    assert shown.startswith("step4: warning: " if code == 0 else "step4: /")


@pytest.mark.parametrize("arguments", [("run", "x.mp4", "--on-drift", "ignore", "--json"), ("compare", "a", "--json")])
def test_a_usage_error_is_json_too(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A program that asked for JSON gets an object whatever is wrong."""
    assert step4(*arguments) == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2


@pytest.mark.parametrize("name", ["caf\udce9.mp4", "\udcff/clip.mp4"])
def test_json_is_utf_8_whatever_the_bytes_of_a_name(
    tmp_path: Path, name: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A Latin-1 name is one sentence, exit code 2, and nothing is left beside the video."""
    video = tmp_path / "videos" / name
    video.parent.mkdir(parents=True)
    video.write_bytes(b"moving pictures")

    assert step4("run", video, "--json") == 2
    (run,) = json.loads(capfdbinary.readouterr().out.decode())["runs"]
    assert run["error"].endswith("is not UTF-8, as what is published has to be: rename it")
    assert "\\x" in run["video"]
    assert list(video.parent.iterdir()) == [video]


def test_an_output_is_named_after_its_source_whatever_its_bytes(
    old: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """An export says whose it is; the bytes that are no UTF-8 are spelt out."""
    latin = old.rename(old.with_name("caf\udce9_audio.json"))

    assert step4("export", latin, "--to", "rttm") == 0
    assert capfdbinary.readouterr().out.decode().startswith("SPEAKER caf\\xe9_audio 1 ")
