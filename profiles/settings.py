"""The effective configuration: a flow parameter, else the environment or `.env`, else the profile."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from profiles.profile import DEFAULT, BatchSize, Device, HalfType, PrecisionName, Profile, get_profile
from tasks.engine.errors import UsageError
from tasks.engine.models import TOKEN_VARIABLES

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def variable(*names: str, default: Any = None, description: str, **bounds: Any) -> Any:  # noqa: ANN401
    """A setting that users know under these environment variables; the first that is set wins."""
    return Field(default=default, validation_alias=AliasChoices(*names), description=description, **bounds)


class Environment(BaseSettings):
    """What the environment and `.env` say. Unset means: ask the profile."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", case_sensitive=False, populate_by_name=True
    )

    profile: str = variable("AUDIO_PROFILE", default=DEFAULT, description="Profile name or alias.")
    device: Device | None = variable("AUDIO_DEVICE", "PYANNOTE_DEVICE", description="Where inference runs.")
    disable_gpu: bool = variable("AUDIO_DISABLE_GPU", default=False, description="Run on CPU whatever else is said.")
    enable_amp: bool | None = variable("AUDIO_ENABLE_AMP", description="true: at least mixed precision; false: FP32.")
    batch_size: BatchSize | None = variable(
        "PYANNOTE_BATCH_SIZE", "AUDIO_PYANNOTE_BATCH_SIZE", description="Windows per network pass."
    )
    cpu_workers: int | None = variable(
        "AUDIO_CPU_WORKERS", "PYANNOTE_NUM_WORKERS", description="CPU threads of inference; unset: all.", ge=1
    )
    models: str | None = variable("STEP4_MODELS", description="offline, a hub id, or a folder.")
    speech_threshold: float = variable(
        "SPEECH_DETECTION_THRESHOLD", default=0.5, description="Speech score that counts as speech.", ge=0, le=1
    )
    min_speech_ms: int = variable(
        "MIN_SPEECH_DURATION_MS", default=300, description="Shorter turns are dropped, in milliseconds.", ge=0
    )
    json_gzip: bool = variable("AUDIO_JSON_GZIP", default=False, description="Write _audio.json.gz.")
    reference: Literal["cpu", "stored", "none"] = variable(
        "STEP4_REFERENCE", default="cpu", description="What the output is held against before it is published."
    )
    on_drift: Literal["fail", "substitute", "warn"] = variable(
        "STEP4_ON_DRIFT", default="fail", description="fail; publish the reference instead; or publish and warn."
    )
    num_speakers: int | None = variable(
        "STEP4_NUM_SPEAKERS", description="Number of speakers, where it is known.", ge=1, le=255
    )
    log_level: LogLevel = variable("AUDIO_LOG_LEVEL", default="INFO", description="Least severe level to log.")


class Configuration(BaseModel):
    """Everything that decides one run, resolved. Nothing in it is secret: the hub's token is never a setting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str
    device: Device
    precision: PrecisionName
    half: HalfType
    batch_size: BatchSize
    cpu_workers: int | None
    level: Literal["rms", "none"]
    fallback: Literal["cpu", "none"]
    models: str
    speech_threshold: float
    min_speech_ms: int
    json_gzip: bool
    reference: Literal["cpu", "stored", "none"]
    on_drift: Literal["fail", "substitute", "warn"]
    num_speakers: int | None
    log_level: LogLevel

    @classmethod
    def resolve(cls, parameters: Mapping[str, Any] | None = None, env_file: Path | None = Path(".env")) -> Self:
        """Combine explicit parameters, environment and profile.

        Args:
            parameters: what the caller chose; None values count as not chosen.
            env_file: the dotenv file to read, or None.

        Raises:
            UsageError: an unknown profile or a value out of bounds, with what would be accepted.
        """
        chosen = {name: value for name, value in (parameters or {}).items() if value is not None}
        try:
            said = Environment(_env_file=env_file, **chosen)  # type: ignore[call-arg]  # pydantic-settings takes it
        except ValidationError as error:
            raise UsageError(explain_setting(error)) from error
        profile = get_profile(said.profile)
        values = {name: getattr(profile, name) for name in cls.model_fields if name in Profile.model_fields}
        values |= {name: v for name in cls.model_fields if (v := getattr(said, name, None)) is not None}
        values |= {"cpu_workers": said.cpu_workers, "num_speakers": said.num_speakers}
        return cls(**{**values, "profile": profile.name, **amp(said, profile), **gpu(said, chosen)})


def amp(said: Environment, profile: Profile) -> dict[str, str]:
    """What AUDIO_ENABLE_AMP makes of the profile's precision: true never tames an unsafe profile."""
    if said.enable_amp is None:
        return {}
    if not said.enable_amp:
        return {"precision": "fp32"}
    return {"precision": "mixed"} if profile.precision == "fp32" else {}


def gpu(said: Environment, chosen: Mapping[str, Any]) -> dict[str, str]:
    """What AUDIO_DISABLE_GPU makes of the device, unless the caller named one."""
    return {"device": "cpu"} if said.disable_gpu and "device" not in chosen else {}


def explain_setting(error: ValidationError) -> str:
    """Name the variable or parameter that is wrong, what was found, and what would be accepted."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'][:1])} = {problem['input']!r}: {problem['msg']}"
        for problem in error.errors(include_url=False)
    )


def secrets_present() -> dict[str, str]:
    """The hub's token variables that are set, masked."""
    return {name: "********" for name in TOKEN_VARIABLES if os.environ.get(name)}
