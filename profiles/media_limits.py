"""Limits on hostile media, as environment variables."""

from dataclasses import fields
from typing import Any

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings

from tasks.engine.media.limits import DESCRIPTIONS, MediaLimits

DEFAULTS = MediaLimits()


def limit(name: str, variable: str) -> Any:  # noqa: ANN401  # what pydantic's Field returns
    """Declare a positive number that is known under this environment variable.

    Args:
        name: of the field of `MediaLimits`, whose default and description it has.
        variable: of the environment.
    """
    default, description = getattr(DEFAULTS, name), DESCRIPTIONS[name]
    return Field(default=default, validation_alias=AliasChoices(variable), description=description, gt=0)


class LimitVariables(BaseSettings):
    """One variable per field of `MediaLimits`, by the same name."""

    hours: float = limit("hours", "STEP4_MAX_HOURS")
    input_gib: float = limit("input_gib", "STEP4_MAX_INPUT_GIB")
    frames: int = limit("frames", "STEP4_MAX_FRAMES")
    streams: int = limit("streams", "STEP4_MAX_STREAMS")
    pixels: int = limit("pixels", "STEP4_MAX_PIXELS")
    channels: int = limit("channels", "STEP4_MAX_CHANNELS")
    sample_rate: int = limit("sample_rate", "STEP4_MAX_SAMPLE_RATE")
    wall_sec: int = limit("wall_sec", "STEP4_MEDIA_WALL_SEC")
    cpu_sec: int = limit("cpu_sec", "STEP4_MEDIA_CPU_SEC")
    memory_mib: int = limit("memory_mib", "STEP4_MEDIA_MEMORY_MIB")
    decoded_gib: float = limit("decoded_gib", "STEP4_MAX_DECODED_GIB")

    @property
    def limits(self) -> MediaLimits:
        """As the stages take them."""
        return MediaLimits(**{field.name: getattr(self, field.name) for field in fields(MediaLimits)})
