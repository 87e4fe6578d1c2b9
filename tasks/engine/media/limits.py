"""How much one video may ask for before it is refused."""

from dataclasses import dataclass

from tasks.engine.core.constants import GIB
from tasks.engine.system.sandbox import Bounds

SLOWEST_READ = 20_000_000
"""Bytes per second: what a walk through the whole file may cost on top of the fixed seconds."""


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Limits on one video; every one of them is an environment variable, named in the README.

    hours: longest recording; gaps become silence, so one forged timestamp could fill the disk.
    input_gib: largest file. frames, streams, pixels: of a video. channels, sample_rate: of its sound, in Hz.
    wall_sec, cpu_sec: of the probe and of ffmpeg, each; one second per 20 MB of the file comes on top.
    memory_mib: address space of either. decoded_gib: most that ffmpeg may write.
    """

    hours: float = 24.0
    input_gib: float = 512.0
    frames: int = 24 * 3600 * 240
    streams: int = 256
    pixels: int = 1 << 27
    channels: int = 64
    sample_rate: int = 768_000
    wall_sec: int = 1800
    cpu_sec: int = 1800
    memory_mib: int = 4096
    decoded_gib: float = 8.0

    def bounds(self, size: int, output_bytes: int | None = None) -> Bounds:
        """What a process that reads a file of that size may use, where it writes at most so many bytes."""
        reading = size // SLOWEST_READ
        most = int(self.decoded_gib * GIB)
        return Bounds(
            wall_sec=self.wall_sec + reading,
            cpu_sec=self.cpu_sec + reading,
            memory_bytes=self.memory_mib << 20,
            output_bytes=most if output_bytes is None else min(most, output_bytes),
        )
