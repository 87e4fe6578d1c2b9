"""The command line: what each command prints, and the exit codes that scripts rely on."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import step4
from media_samples import clip

from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import Dependencies, current_dependencies, use_dependencies
from tasks.engine.formats.detect import load_timeline
from tasks.engine.testing import CPU_ONLY, ONE_GPU, ScriptedDiarizer, no_patching, sound_low_precision

pytestmark = pytest.mark.usefixtures("clean_settings")

HEADLESS = {
    "frames_analysis": [
        {"frame": n, "audio_info": {"is_speech_present": n > 10, "active_speaker_labels": ["A"] * (n > 10)}}
        for n in range(1, 51)
    ]
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An _audio.json without a header, as found in the wild."""
    path = tmp_path / "old_audio.json"
    path.write_text(json.dumps(HEADLESS))
    return path


@pytest.fixture
def shifted(tmp_path: Path) -> Path:
    """The same with speech ten frames later."""
    path = tmp_path / "new_audio.json"
    frames = [dict(frame) for frame in HEADLESS["frames_analysis"]]
    for frame in frames:
        speaks = frame["frame"] > 20
        frame["audio_info"] = {"is_speech_present": speaks, "active_speaker_labels": ["A"] * speaks}
    path.write_text(json.dumps({"frames_analysis": frames}))
    return path


def test_equal_timelines_compare_as_coherent(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 and the verdict in words."""
    assert step4("compare", old, old) == 0
    assert "coherent" in capsys.readouterr().out


def test_drift_has_exit_code_3_and_a_table(old: Path, shifted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each criterion is shown with its value and limit."""
    assert step4("compare", old, shifted) == 3
    shown = " ".join(capsys.readouterr().out.split())
    assert "drift" in shown
    assert "20 %" in shown
    assert "<= 0.5 %" in shown


def test_json_is_one_object_on_stdout(old: Path, shifted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads the whole report from stdout."""
    step4("compare", old, shifted, "--json")
    report = json.loads(capsys.readouterr().out)

    assert report["verdict"] == "drift"
    assert report["flipped_frames"] == 10


def test_a_limit_can_be_changed(old: Path, shifted: Path) -> None:
    """`--set` moves one limit; with all of them out of the way the two pass."""
    limits = (
        "speech_percent_difference=50",
        "flipped_frames_percent=100",
        "worst_stretch_percent=100",
        "der_percent=100",
        "jer_percent=100",
    )

    assert step4("compare", old, shifted, *(part for limit in limits for part in ("--set", limit))) == 0


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


def test_import_then_export_gives_the_frames_back(old: Path, tmp_path: Path) -> None:
    """An old _audio.json becomes Parquet, and that becomes the JSON that STEP5 reads, with every field."""
    assert step4("import", old) == 0
    assert step4("export", tmp_path / "old_timeline.parquet", "--to", "audio-json", "-o", tmp_path / "full.json") == 0
    document = json.loads((tmp_path / "full.json").read_text())

    assert (document["total_frames"], document["fps"]) == (50, 25.0)
    assert document["frames_analysis"][10]["audio_info"]["active_speaker_labels"] == ["A"]
    assert load_timeline(tmp_path / "old_timeline.parquet").summary.speech_frames == 40


@pytest.mark.parametrize("to", ["rttm", "json", "csv", "webvtt", "audacity"])
def test_an_exported_file_of_turns_compares_as_equal(old: Path, tmp_path: Path, to: str) -> None:
    """Every format of turns goes out, is held against the frames it came from, and comes back as a timeline."""
    assert step4("export", old, "--to", to, "-o", tmp_path / "turns") == 0
    assert step4("compare", old, tmp_path / "turns") == 0
    assert step4("import", tmp_path / "turns", "--frames", "60") == 0
    assert load_timeline(tmp_path / "turns_timeline.parquet").frames == 60


def test_import_keeps_the_frame_rate_it_is_told(old: Path, tmp_path: Path) -> None:
    """A file without a header runs at 25 frames a second unless told."""
    step4("import", old, "--fps", "30000/1001", "-o", tmp_path / "told.parquet")

    assert load_timeline(tmp_path / "told.parquet").fps.denominator == 1001


@pytest.mark.parametrize(
    ("form", "expected"), [("rttm", "SPEAKER old_audio 1 0.400000 1.600000"), ("json", '"diarization"')]
)
def test_export_writes_to_stdout(old: Path, form: str, expected: str) -> None:
    """Without -o the converted file is printed, and nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli.main", "export", str(old), "--to", form],
        capture_output=True,
        text=True,
        check=True,
    )

    assert expected in done.stdout


def test_config_is_json_without_secrets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The effective configuration, the token masked."""
    monkeypatch.setenv("HF_TOKEN", "hf_sentinel")

    assert step4("config", "--profile", "cpu") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)["device"] == "cpu"
    assert "hf_sentinel" not in shown


def test_profiles_lists_every_profile(capsys: pytest.CaptureFixture[str]) -> None:
    """Names, aliases and what each is for."""
    assert step4("profiles") == 0
    shown = capsys.readouterr().out
    assert "gpu_no_amp" in shown
    assert "cpu_amp_unsafe" in shown


def test_a_page_of_two_files_is_written(old: Path, shifted: Path, tmp_path: Path) -> None:
    """By `report --against` and by `compare --html`: the verdict stands in it, in the language asked for."""
    page = tmp_path / "page.html"
    assert step4("report", shifted, "--against", old, "-o", page, "--lang", "fr") == 0
    assert "Divergence : le candidat" in page.read_text(encoding="utf-8")
    assert '<html lang="fr">' in page.read_text(encoding="utf-8")
    assert step4("compare", old, shifted, "--html", page) == 3
    assert '<th scope="col">candidate</th>' in page.read_text(encoding="utf-8")


def test_a_page_of_one_file_with_its_sound_is_written(old: Path, tmp_path: Path) -> None:
    """The waveform and the sound of a video stand in the page."""
    page, video = tmp_path / "page.html", clip(tmp_path / "clip.mp4")
    assert step4("report", old, "-o", page, "--audio", video) == 0
    assert "data:audio/mp4;base64," in page.read_text(encoding="utf-8")
    assert step4("report", old, "-o", page, "--audio", tmp_path / "absent.mp4") == 4


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


@pytest.fixture
def scripted() -> Iterator[ScriptedDiarizer]:
    """`step4 run` with scripted networks."""
    diarizer = ScriptedDiarizer((Turn(0.5, 2.0, "SPEAKER_00"), Turn(1.8, 3.5, "SPEAKER_01")))
    dependencies = Dependencies(
        device_facts=lambda: CPU_ONLY, diarizer=diarizer, explainer=no_patching, check_low_precision=sound_low_precision
    )
    with use_dependencies(dependencies):
        yield diarizer


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server", "scripted")
def test_run_ends_with_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Verdict, speech and who speaks when on stdout; the lines that operators search for on stderr."""
    video = clip(tmp_path / "Film [x264] [fin].mp4")

    assert step4("run", video) == 0
    shown = capsys.readouterr()
    assert "75 of 125 frames, 60.0 %" in shown.out
    assert "Film [x264] [fin]" in shown.out
    assert "SPEAKER_01" in shown.out
    assert "Timeline audio: 75/125 frames avec parole (60.0%)" in shown.err
    assert f"manifest      {video.parent / video.stem}_step4.json\n" in shown.out
    assert "published before" not in shown.out


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_run_json_is_one_object_even_when_a_video_fails_and_libraries_print(
    scripted: ScriptedDiarizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every video is tried; the exit code is the worst one's; stdout holds nothing else."""

    def chatty(*arguments: Any) -> Any:
        print("Found only 3 clusters")
        return scripted(*arguments)

    video = clip(tmp_path / "clip.mp4")
    with use_dependencies(replace(current_dependencies(), diarizer=chatty)):
        assert step4("run", tmp_path / "missing.mp4", video, "--json") == 4
    document = json.loads(capsys.readouterr().out)

    assert [run["exit_code"] for run in document["runs"]] == [4, 0]
    assert document["runs"][1]["manifest"]["verdict"] == "reference"


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server", "scripted")
def test_run_maps_what_goes_wrong_to_exit_codes(tmp_path: Path) -> None:
    """6 for an output that takes no files, 5 for a device that is absent, 3 for drift, 130 for Ctrl-C, 1 for a bug."""
    video = clip(tmp_path / "clip.mp4")
    blocked = tmp_path / "file"
    blocked.touch()

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    def buggy(*_: Any) -> Any:
        raise ZeroDivisionError

    assert step4("run", video, "--output", blocked / "sub") == 6
    assert step4("run", video, "--profile", "gpu_optimized") == 5
    drifting = ScriptedDiarizer((Turn(0.5, 2.0, "A"), Turn(2, 3, "B")), candidate=(Turn(0.5, 2.0, "A"),))
    for diarizer, code in ((drifting, 3), (interrupted, 130), (buggy, 1)):
        with use_dependencies(replace(current_dependencies(), diarizer=diarizer, device_facts=lambda: ONE_GPU)):
            assert step4("run", video) == code
    assert [path.name for path in tmp_path.glob("clip_*")] == []


def test_two_videos_that_would_share_names_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """cam1/0001.mp4 and cam2/0001.mp4 into one folder: nothing is run, and both are named."""
    assert step4("run", tmp_path / "cam1/0001.mp4", tmp_path / "cam2/0001.mp4", "--output", tmp_path) == 2
    assert "cam2/0001.mp4" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("run", "x.mp4", "--on-drift", "ignore", "--json"), ("compare", "a", "--json")])
def test_a_usage_error_is_json_too(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A program that asked for JSON gets an object whatever is wrong."""
    assert step4(*arguments) == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2
