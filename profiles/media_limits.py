"""Limits on hostile media, as environment variables."""

from dataclasses import fields
from typing import Any

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings

from tasks.engine.media.limits import MediaLimits

DEFAULTS = MediaLimits()


def limit(variable: str, default: float, description: str) -> Any:  # noqa: ANN401  # what pydantic's Field returns
    """Declare a positive number that is known under this environment variable."""
    return Field(default=default, validation_alias=AliasChoices(variable), description=description, gt=0)


class LimitVariables(BaseSettings):
    """One variable per field of `MediaLimits`, by the same name."""

    hours: float = limit("STEP4_MAX_HOURS", DEFAULTS.hours, "Longest accepted recording.")
    input_gib: float = limit("STEP4_MAX_INPUT_GIB", DEFAULTS.input_gib, "Largest accepted file.")
    frames: int = limit("STEP4_MAX_FRAMES", DEFAULTS.frames, "Most video frames.")
    streams: int = limit("STEP4_MAX_STREAMS", DEFAULTS.streams, "Most streams of a container.")
    pixels: int = limit("STEP4_MAX_PIXELS", DEFAULTS.pixels, "Most pixels of a video frame.")
    channels: int = limit("STEP4_MAX_CHANNELS", DEFAULTS.channels, "Most audio channels.")
    sample_rate: int = limit("STEP4_MAX_SAMPLE_RATE", DEFAULTS.sample_rate, "Highest audio sample rate, in Hz.")
    wall_sec: int = limit("STEP4_MEDIA_WALL_SEC", DEFAULTS.wall_sec, "Seconds for the probe and for ffmpeg, each.")
    cpu_sec: int = limit("STEP4_MEDIA_CPU_SEC", DEFAULTS.cpu_sec, "CPU seconds of either.")
    memory_mib: int = limit("STEP4_MEDIA_MEMORY_MIB", DEFAULTS.memory_mib, "Address space of either.")
    decoded_gib: float = limit("STEP4_MAX_DECODED_GIB", DEFAULTS.decoded_gib, "Most that ffmpeg may write.")

    @property
    def limits(self) -> MediaLimits:
        """As the stages take them."""
        return MediaLimits(**{field.name: getattr(self, field.name) for field in fields(MediaLimits)})
