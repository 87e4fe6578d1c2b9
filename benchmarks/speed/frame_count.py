"""What counting frames costs: CPU seconds of the probe on ten minutes of 1080p, by packets, checked, and decoding all.

    python benchmarks/speed/frame_count.py [FOLDER]

Makes H.264 and HEVC (20 s with film grain, 8 and 5 Mbit/s, repeated without encoding again) in FOLDER.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.engine.media import packets
from tasks.engine.media.containers import open_container, read
from tasks.engine.media.decode import executable
from tasks.engine.media.limits import MediaLimits
from tasks.engine.media.pictures import PictureCheck, decoded_times

PICTURE = "testsrc2=size=1920x1080:rate=25:duration=20,noise=alls=12:allf=t"
ENCODERS = {
    "h264": ("libx264", "-preset", "veryfast", "-b:v", "8M", "-bf", "3", "-g", "250"),
    "hevc": ("libx265", "-preset", "ultrafast", "-b:v", "5M", "-x265-params", "log-level=none"),
}
SECONDS = 600


def make(folder: Path, codec: str) -> Path:
    """Encode 20 s and repeat them."""
    part, whole = folder / f"{codec}_part.mp4", folder / f"{codec}.mp4"
    quiet = [executable(), "-v", "error", "-nostdin", "-n"]
    sources = ["-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", "sine=duration=20"]
    if not whole.exists():
        subprocess.run([*quiet, *sources, "-c:v", *ENCODERS[codec], "-c:a", "aac", part], check=True)
        subprocess.run([*quiet, "-stream_loop", str(SECONDS // 20 - 1), "-i", part, "-c", "copy", whole], check=True)
    return whole


def cpu_seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


class Unchecked(PictureCheck):
    """As before: every packet is a frame."""

    def add(self, packet: Any, *, hidden: bool) -> None:  # noqa: ANN401  # as in the base class
        """Look at nothing."""


def decode_all(path: Path) -> None:
    """Decode the whole picture."""
    with open_container(path) as container:
        decoded_times(container, container.streams.video[0].index)


def main(folder: Path) -> None:
    """Print the table."""
    print("| codec | packets alone, s | packets checked, s | decoding all, s |\n| --- | ---: | ---: | ---: |")
    for codec in ENCODERS:
        path = make(folder, codec)
        read(path, MediaLimits())  # into the page cache
        packets.PictureCheck = Unchecked  # type: ignore[misc]
        before = cpu_seconds(lambda: read(path, MediaLimits()))  # noqa: B023  # called at once
        packets.PictureCheck = PictureCheck  # type: ignore[misc]
        checked = cpu_seconds(lambda: read(path, MediaLimits()))  # noqa: B023
        print(f"| {codec} | {before:.1f} | {checked:.1f} | {cpu_seconds(lambda: decode_all(path)):.1f} |")  # noqa: B023


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
