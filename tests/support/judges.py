"""Which frames a video has by decoders that are not ours: seconds of each, the first at 0."""

import contextlib
import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

FFPROBE = shutil.which("ffprobe")


def by_opencv(path: Path) -> NDArray[np.float64]:
    """As STEP5 reads the video."""
    import cv2

    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    times = []
    while capture.grab():
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    capture.release()
    return from_zero(times)


def by_ffprobe(path: Path) -> NDArray[np.float64]:
    """The best-effort time of each frame that ffprobe counts; NaN where there is none."""
    assert FFPROBE
    entries = ["-show_entries", "frame=best_effort_timestamp_time", "-of", "csv=p=0"]
    command = [FFPROBE, "-v", "error", "-select_streams", "v:0", *entries, str(path)]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    return from_zero([float(line.strip(",").replace("N/A", "nan")) for line in lines])


def by_pyav(path: Path) -> NDArray[np.float64]:
    """PyAV's decoder, which goes on after a packet that cannot be decoded; NaN where a frame has no time."""
    times: list[float] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            with contextlib.suppress(av.FFmpegError):
                frames = packet.decode()
                times += [
                    float("nan") if frame.pts is None else float(frame.pts * stream.time_base) for frame in frames
                ]
    return from_zero(times)


def from_zero(times: list[float]) -> NDArray[np.float64]:
    """Seconds since the first frame."""
    return np.array(times) - (times[0] if times else 0.0)
