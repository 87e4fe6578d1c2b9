"""How much one video may ask for before it is refused."""

from dataclasses import dataclass, field, fields
from typing import Any

from tasks.engine.core.constants import GIB
from tasks.engine.core.errors import MediaError
from tasks.engine.system.sandbox import Bounds

SLOWEST_READ = 2_000_000
"""Bytes per second: what a walk through the whole file, its picture decoded, may cost on top of the fixed seconds."""


def _limit(default: float, unit: str, description: str) -> Any:  # noqa: ANN401  # what dataclasses.field returns
    return field(default=default, metadata={"unit": unit, "description": description})


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Limits on one video. Each field's metadata holds its unit and description, for settings and messages.

    A recording is limited because gaps become silence: one forged timestamp could fill the disk. Reading adds one
    second per 2 MB of the file to `wall_sec` and `cpu_sec`.
    """

    hours: float = _limit(24.0, "h", "Longest accepted recording.")
    input_gib: float = _limit(512.0, "GiB", "Largest accepted file.")
    frames: int = _limit(24 * 3600 * 240, "frames", "Most video frames.")
    streams: int = _limit(256, "streams", "Most streams of a container.")
    pixels: int = _limit(1 << 27, "pixels per frame", "Most pixels of a video frame.")
    channels: int = _limit(64, "channels", "Most audio channels.")
    sample_rate: int = _limit(768_000, "samples per second", "Highest audio sample rate, in Hz.")
    wall_sec: int = _limit(1800, "s", "Seconds for the probe and for ffmpeg, each.")
    cpu_sec: int = _limit(1800, "s", "CPU seconds of either.")
    memory_mib: int = _limit(4096, "MiB", "Address space of either.")
    decoded_gib: float = _limit(12.0, "GiB", "Most that ffmpeg may write: a day of two channels is 10.3.")

    def check(self, limit: str, value: float, name: str) -> None:
        """Refuse a value beyond the limit of that name.

        Args:
            limit: name of a field.
            value: in the field's unit.
            name: the file's, for the message.

        Raises:
            MediaError: with the value and the limit.
        """
        most, unit = getattr(self, limit), UNITS[limit]
        if not value <= most:
            raise MediaError(f"{name!r} holds {value:.6g} {unit}: up to {most:.6g} {unit} would be accepted.")

    def bounds(self, size: int, output_bytes: int | None = None) -> Bounds:
        """Return what a process that reads a file of `size` bytes may use, where it writes at most `output_bytes`."""
        reading = size // SLOWEST_READ
        most = int(self.decoded_gib * GIB)
        return Bounds(
            wall_sec=self.wall_sec + reading,
            cpu_sec=self.cpu_sec + reading,
            memory_bytes=self.memory_mib << 20,
            output_bytes=most if output_bytes is None else min(most, output_bytes),
        )


UNITS: dict[str, str] = {limit.name: limit.metadata["unit"] for limit in fields(MediaLimits)}
DESCRIPTIONS: dict[str, str] = {limit.name: limit.metadata["description"] for limit in fields(MediaLimits)}
