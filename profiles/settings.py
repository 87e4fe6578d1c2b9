"""The effective configuration: a flow parameter, else the environment or `.env`, else the profile."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsConfigDict

from profiles.media_limits import LimitVariables
from profiles.profile import DEFAULT, BatchSize, Device, Profile, Step, get_profile
from tasks.engine.core.choices import AutocastDtype, Engine, OnDrift, Precision, Reference
from tasks.engine.core.errors import UsageError
from tasks.engine.core.speaker_bounds import NAMES, SpeakerBounds
from tasks.engine.media.limits import MediaLimits
from tasks.engine.system.env_file import require_readable

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def variable(*names: str, default: Any = None, description: str, **bounds: Any) -> Any:  # noqa: ANN401
    """Declare a setting that users know under these environment variables; the first that is set wins."""
    return Field(default=default, validation_alias=AliasChoices(*names), description=description, **bounds)


class Environment(LimitVariables):
    """What the environment and `.env` say. Unset means: ask the profile."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", case_sensitive=False)

    profile: str = variable("AUDIO_PROFILE", default=DEFAULT, description="Profile name or alias.")
    device: Device | None = variable("AUDIO_DEVICE", "PYANNOTE_DEVICE", description="Where inference runs.")
    disable_gpu: bool = variable("AUDIO_DISABLE_GPU", default=False, description="Run on CPU whatever else is said.")
    enable_amp: bool | None = variable("AUDIO_ENABLE_AMP", description="true: at least mixed precision; false: FP32.")
    batch_size: BatchSize | None = variable(
        "PYANNOTE_BATCH_SIZE", "AUDIO_PYANNOTE_BATCH_SIZE", description="Windows per network pass."
    )
    cpu_workers: int | None = variable(
        "AUDIO_CPU_WORKERS", "PYANNOTE_NUM_WORKERS", description="CPU threads of inference; 0 or unset: all.", ge=0
    )
    engine: Engine | None = variable("STEP4_ENGINE", description="exact, or shared: faster, not exact.")
    segmentation_step: Step | None = variable(
        "STEP4_SEGMENTATION_STEP", description="From one window to the next, as a share of a window."
    )
    models: str | None = variable("STEP4_MODELS", description="offline, a hub id, or a folder.")
    speech_threshold: float = variable(
        "SPEECH_DETECTION_THRESHOLD", default=0.5, description="Speech score that counts as speech.", ge=0, le=1
    )
    min_speech_ms: int = variable(
        "MIN_SPEECH_DURATION_MS", default=300, description="Shorter turns are dropped, in milliseconds.", ge=0
    )
    json_gzip: bool = variable("AUDIO_JSON_GZIP", default=False, description="Write _audio.json.gz.")
    reference: Reference | None = variable(
        "STEP4_REFERENCE", description="What the output is held against before it is published; unset: the profile's."
    )
    on_drift: OnDrift = variable(
        "STEP4_ON_DRIFT", default=OnDrift.FAIL, description="fail; publish the reference instead; or publish and warn."
    )
    num_speakers: int | None = variable(
        "STEP4_NUM_SPEAKERS", description="Number of speakers, where it is known.", ge=1, le=255
    )
    min_speakers: int | None = variable("STEP4_MIN_SPEAKERS", description="Fewest speakers.", ge=1, le=255)
    max_speakers: int | None = variable("STEP4_MAX_SPEAKERS", description="Most speakers.", ge=1, le=255)
    exclusive: bool = variable(
        "STEP4_EXCLUSIVE", default=False, description="Also publish the turns with one speaker at a time."
    )
    audio_track: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = variable(
        "STEP4_AUDIO_TRACK",
        description="Audio track to analyse: index as ffprobe counts, language or title; unset: the rule's choice.",
    )
    accept_truncated: bool = variable(
        "STEP4_ACCEPT_TRUNCATED",
        default=False,
        description="Publish a recording that was cut up to where it ends, marked so, instead of refusing it.",
    )
    partial_success_ok: bool = variable(
        "AUDIO_PARTIAL_SUCCESS_OK", default=False, description="A batch with some timelines and some failures is done."
    )
    profiling: bool = variable(
        "ENABLE_AUDIO_PROFILING",
        default=False,
        description="Write logs/audio_metrics_*.csv, profiling/audio_perf_*.json.",
    )
    log_level: LogLevel = variable("AUDIO_LOG_LEVEL", default="INFO", description="Least severe level to log.")

    @field_validator("log_level", mode="before")
    @classmethod
    def any_case(cls, value: object) -> object:
        """Accept `info` for INFO."""
        return value.upper() if isinstance(value, str) else value


class Configuration(BaseModel):
    """Everything that decides one run, resolved. Nothing in it is secret: the hub's token is never a setting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str
    device: Device
    precision: Precision
    autocast_dtype: AutocastDtype
    batch_size: BatchSize
    cpu_workers: int | None
    level: Literal["rms", "none"]
    engine: Engine
    segmentation_step: Step | None
    fallback: Literal["cpu", "none"]
    models: str
    speech_threshold: float
    min_speech_ms: int
    json_gzip: bool
    reference: Reference
    on_drift: OnDrift
    num_speakers: int | None
    min_speakers: int | None
    max_speakers: int | None
    exclusive: bool
    audio_track: str | None
    accept_truncated: bool
    partial_success_ok: bool
    profiling: bool
    log_level: LogLevel
    limits: MediaLimits

    def asked(self) -> dict[str, Any]:
        """Return the parameters that make a flow resolve to this profile, proof and model set elsewhere."""
        named = {"profile", "reference", "on_drift", "models", *NAMES, "exclusive", "audio_track", "accept_truncated"}
        return self.model_dump(mode="json", include=named)

    @classmethod
    def resolve(cls, parameters: Mapping[str, Any] | None = None, env_file: Path | None = Path(".env")) -> Self:
        """Combine explicit parameters, environment and profile.

        Args:
            parameters: what the caller chose; None values count as not chosen.
            env_file: the dotenv file to read, or None.

        Raises:
            UsageError: an unknown profile or a value out of bounds, with what would be accepted; or a dotenv file
                that cannot be read.
        """
        chosen = {name: value for name, value in (parameters or {}).items() if value is not None}
        # By alias: a field's own name is no variable, or a stray REFERENCE=none would switch the gate off.
        named = {first_alias(name): value for name, value in chosen.items()}
        require_readable(env_file)
        try:
            environment = Environment(_env_file=env_file, **named)  # type: ignore[call-arg]  # pydantic-settings takes it
        except ValidationError as error:
            raise UsageError(explain_setting(error)) from error
        profile = get_profile(environment.profile)
        values = {name: getattr(profile, name) for name in cls.model_fields if name in Profile.model_fields}
        values |= {name: v for name in cls.model_fields if (v := getattr(environment, name, None)) is not None}
        values |= {"cpu_workers": environment.cpu_workers or None, **speakers(environment, chosen)}
        values |= {"audio_track": environment.audio_track}
        return cls(
            **{**values, "profile": profile.name, **amp(environment, profile), **gpu(environment, profile, chosen)}
        )


def speakers(environment: Environment, chosen: Mapping[str, Any]) -> dict[str, int | None]:
    """Return how many speakers there may be: what the caller chose beats a number or bounds of the environment.

    Raises:
        UsageError: no number is within what is left of them.
    """
    beaten = set(NAMES[1:]) if NAMES[0] in chosen else {NAMES[0]} if chosen.keys() & NAMES[1:] else set()
    asked = {name: None if name in beaten - chosen.keys() else getattr(environment, name) for name in NAMES}
    SpeakerBounds.of(asked)
    return asked


def amp(environment: Environment, profile: Profile) -> dict[str, str]:
    """Return what AUDIO_ENABLE_AMP makes of the profile's precision: true never tames an unsafe profile."""
    if environment.enable_amp is None:
        return {}
    if not environment.enable_amp:
        return {"precision": Precision.FP32}
    return {"precision": Precision.MIXED} if profile.precision is Precision.FP32 else {}


def gpu(environment: Environment, profile: Profile, chosen: Mapping[str, Any]) -> dict[str, str]:
    """Return what AUDIO_DISABLE_GPU makes of device and precision, unless the caller named a device.

    A profile for GPUs that is sent to the CPU computes like the reference: half precision gains nothing there.
    """
    if not environment.disable_gpu or "device" in chosen:
        return {}
    return {"device": "cpu"} if profile.device == "cpu" else {"device": "cpu", "precision": Precision.FP32}


def first_alias(field: str) -> str:
    """Return the variable that a setting is known by."""
    alias = Environment.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else field


def explain_setting(error: ValidationError) -> str:
    """Name the variables that set a value, what was found, and what would be accepted; each setting once."""
    problems: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False):
        alias = str(problem["loc"][0])
        known = (aliases_of(field) for field in Environment.model_fields.values())
        choices = next((names for names in known if alias in names), [alias])
        problems.setdefault(f"{' or '.join(choices)} = {problem['input']!r}", []).append(problem["msg"])
    return "; ".join(f"{what}: {', or '.join(whys)}" for what, whys in problems.items())


def aliases_of(field: FieldInfo) -> list[str]:
    """Return every variable that a setting answers to."""
    alias = field.validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else []
