"""Settings: a parameter, else the environment or `.env`, else the profile."""

import json
from pathlib import Path

import pytest

from profiles.settings import Configuration
from tasks.engine.core.errors import UsageError
from tasks.engine.models.registry import models_folder
from tasks.engine.system.environment import hub_token, machine_settings

pytestmark = pytest.mark.usefixtures("clean_settings")


def test_the_defaults_are_production() -> None:
    """With nothing said, gpu_fp32 runs in FP32 on CUDA if there, with the documented thresholds."""
    chosen = Configuration.resolve()

    assert (chosen.profile, chosen.device, chosen.precision, chosen.batch_size) == ("gpu_fp32", "auto", "fp32", "auto")
    assert (chosen.speech_threshold, chosen.min_speech_ms, chosen.reference) == (0.5, 300, "cpu")


def test_a_parameter_beats_the_environment_which_beats_dotenv_which_beats_the_profile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each source overrules the ones behind it."""
    assert Configuration.resolve().batch_size == "auto"
    Path(".env").write_text("PYANNOTE_BATCH_SIZE=2\n")
    assert Configuration.resolve().batch_size == 2
    monkeypatch.setenv("PYANNOTE_BATCH_SIZE", "3")
    assert Configuration.resolve().batch_size == 3
    assert Configuration.resolve({"batch_size": 4}).batch_size == 4


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("AUDIO_PROFILE", "cpu_only", "profile", "cpu"),
        ("AUDIO_DEVICE", "cuda", "device", "cuda"),
        ("PYANNOTE_DEVICE", "cpu", "device", "cpu"),
        ("PYANNOTE_BATCH_SIZE", "auto", "batch_size", "auto"),
        ("AUDIO_PYANNOTE_BATCH_SIZE", "16", "batch_size", 16),
        ("PYANNOTE_NUM_WORKERS", "3", "cpu_workers", 3),
        ("AUDIO_CPU_WORKERS", "2", "cpu_workers", 2),
        ("AUDIO_ENABLE_AMP", "true", "precision", "mixed"),
        ("AUDIO_ENABLE_AMP", "false", "precision", "fp32"),
        ("AUDIO_DISABLE_GPU", "1", "device", "cpu"),
        ("AUDIO_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("SPEECH_DETECTION_THRESHOLD", "0.7", "speech_threshold", 0.7),
        ("MIN_SPEECH_DURATION_MS", "0", "min_speech_ms", 0),
        ("AUDIO_JSON_GZIP", "yes", "json_gzip", True),
        ("STEP4_REFERENCE", "none", "reference", "none"),
        ("STEP4_ON_DRIFT", "warn", "on_drift", "warn"),
        ("STEP4_MODELS", "/srv/models/community-1", "models", "/srv/models/community-1"),
        ("STEP4_NUM_SPEAKERS", "2", "num_speakers", 2),
        ("STEP4_MIN_SPEAKERS", "2", "min_speakers", 2),
        ("STEP4_MAX_SPEAKERS", "2", "max_speakers", 2),
        ("STEP4_EXCLUSIVE", "true", "exclusive", True),
        ("STEP4_AUDIO_TRACK", "fr", "audio_track", "fr"),
        ("STEP4_ACCEPT_TRUNCATED", "1", "accept_truncated", True),
        ("ENABLE_AUDIO_PROFILING", "1", "profiling", True),
        ("AUDIO_PARTIAL_SUCCESS_OK", "true", "partial_success_ok", True),
    ],
)
def test_every_variable_users_know_is_heard(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, field: str, expected: object
) -> None:
    """Each environment variable sets what it names."""
    monkeypatch.setenv(variable, value)

    assert getattr(Configuration.resolve(), field) == expected


@pytest.mark.parametrize(
    ("stray", "value"),
    [
        ("REFERENCE", "none"),
        ("ON_DRIFT", "warn"),
        ("MODELS", "x"),
        ("DEVICE", "tpu"),
        ("PROFILE", "p"),
        ("LOG_LEVEL", "x"),
    ],
)
def test_only_documented_variables_are_heard(monkeypatch: pytest.MonkeyPatch, stray: str, value: str) -> None:
    """A variable that happens to bear a field's name changes nothing: REFERENCE=none must not open the gate."""
    before = Configuration.resolve()
    monkeypatch.setenv(stray, value)

    assert Configuration.resolve() == before


def test_zero_workers_means_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """PYANNOTE_NUM_WORKERS=0 is what data loaders are told; it is no error."""
    monkeypatch.setenv("PYANNOTE_NUM_WORKERS", "0")

    assert Configuration.resolve().cpu_workers is None


def test_a_gpu_profile_sent_to_the_cpu_computes_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """AUDIO_DISABLE_GPU forces FP32 with the CPU, but leaves the CPU's own experiments alone."""
    monkeypatch.setenv("AUDIO_DISABLE_GPU", "1")

    assert Configuration.resolve({"profile": "gpu_optimized"}).precision == "fp32"
    assert Configuration.resolve({"profile": "cpu_amp"}).precision == "mixed"


def test_the_token_and_the_model_folder_may_stand_in_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` holds every variable of the example, those that are no settings too."""
    for name in ("HF_TOKEN", "STEP4_MODELS_DIR"):
        monkeypatch.delenv(name, raising=False)
    Path(".env").write_text("HF_TOKEN=hf_sentinel\nSTEP4_MODELS_DIR=/srv/models\n")

    assert hub_token() == "hf_sentinel"
    assert models_folder() == Path("/srv/models")
    assert "hf_sentinel" not in machine_settings().model_dump_json()


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """`AUDIO_DEVICE=` in a compose file must not be an error."""
    monkeypatch.setenv("AUDIO_DEVICE", "")

    assert Configuration.resolve().device == "auto"


def test_amp_does_not_tame_an_unsafe_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """AUDIO_ENABLE_AMP=true asks for at least mixed precision, so naive stays naive; false forces FP32."""
    monkeypatch.setenv("AUDIO_ENABLE_AMP", "true")
    assert Configuration.resolve({"profile": "cpu_amp_unsafe"}).precision == "naive"
    monkeypatch.setenv("AUDIO_ENABLE_AMP", "false")
    assert Configuration.resolve({"profile": "cpu_amp_unsafe"}).precision == "fp32"


@pytest.mark.parametrize(
    ("variable", "value", "accepted"),
    [
        ("AUDIO_DEVICE", "tpu", "'auto', 'cuda' or 'cpu'"),
        ("PYANNOTE_BATCH_SIZE", "many", "'auto'"),
        ("PYANNOTE_BATCH_SIZE", "0", "greater than or equal to 1"),
        ("SPEECH_DETECTION_THRESHOLD", "1.5", "less than or equal to 1"),
        ("MIN_SPEECH_DURATION_MS", "-1", "greater than or equal to 0"),
        ("AUDIO_DISABLE_GPU", "perhaps", "boolean"),
        ("AUDIO_LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("STEP4_REFERENCE", "gpu", "'cpu', 'sampled', 'stored' or 'none'"),
    ],
)
def test_a_wrong_value_answers_with_the_accepted_ones(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, accepted: str
) -> None:
    """A value out of bounds is a usage error that names the variable, the value and what would be accepted."""
    monkeypatch.setenv(variable, value)

    with pytest.raises(UsageError) as caught:
        Configuration.resolve()

    assert value in str(caught.value)
    assert variable in str(caught.value)
    assert accepted in str(caught.value)


def test_no_secret_is_part_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's token appears masked or not at all."""
    monkeypatch.setenv("HF_TOKEN", "hf_sentinel")

    shown = json.dumps(
        {**Configuration.resolve().model_dump(mode="json"), **machine_settings().model_dump(mode="json")}
    )

    assert "*****" in shown
    assert "hf_sentinel" not in shown


@pytest.mark.parametrize(
    ("environment", "chosen", "speakers"),
    [
        ({"MIN": "2"}, {"max_speakers": 5}, (None, 2, 5)),
        ({"MIN": "2", "MAX": "3"}, {"num_speakers": 7}, (7, None, None)),
        ({"NUM": "2"}, {"min_speakers": 3}, (None, 3, None)),
        ({"NUM": "2", "MIN": "1"}, {}, (2, 1, None)),
        ({"MAX": "3"}, {"num_speakers": 2, "max_speakers": 4}, (2, None, 4)),
    ],
)
def test_what_a_caller_asks_of_speakers_beats_the_environment(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    chosen: dict[str, int],
    speakers: tuple[int | None, ...],
) -> None:
    """A number beats the environment's bounds, a bound its number; a bound leaves the other bound alone."""
    for name, value in environment.items():
        monkeypatch.setenv(f"STEP4_{name}_SPEAKERS", value)
    resolved = Configuration.resolve(chosen)

    assert (resolved.num_speakers, resolved.min_speakers, resolved.max_speakers) == speakers


@pytest.mark.parametrize(
    "chosen", [{"min_speakers": 4, "max_speakers": 2}, {"num_speakers": 5, "max_speakers": 4}, {"max_speakers": 0}]
)
def test_bounds_that_no_number_meets_are_refused(monkeypatch: pytest.MonkeyPatch, chosen: dict[str, int]) -> None:
    """Before any work, whether all of them were chosen or all are settings."""
    with pytest.raises(UsageError, match=r"(?i)_speakers"):
        Configuration.resolve(chosen)
    for name, value in chosen.items():
        monkeypatch.setenv(f"STEP4_{name.upper()}", str(value))
    with pytest.raises(UsageError, match=r"(?i)_speakers"):
        Configuration.resolve()


@pytest.mark.parametrize("said", [" 1 ", "1\n", "\t1"])
def test_blanks_around_an_audio_track_are_no_part_of_it(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """Copied from a list with them, as an option, in the form and as a setting; blanks alone are no track."""
    assert Configuration.resolve({"audio_track": said}).audio_track == "1"
    monkeypatch.setenv("STEP4_AUDIO_TRACK", said)
    assert Configuration.resolve().audio_track == "1"
    with pytest.raises(UsageError, match=r"STEP4_AUDIO_TRACK = ' ': .*at least 1 character"):
        Configuration.resolve({"audio_track": " "})


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    """Settings that may stand in it are not passed over."""
    (tmp_path / "stray").write_bytes(b"AUDIO_PROFILE=caf\xe9\n")

    with pytest.raises(UsageError, match=r"stray could not be read \(byte 17 is not UTF-8\)"):
        Configuration.resolve(env_file=tmp_path / "stray")
