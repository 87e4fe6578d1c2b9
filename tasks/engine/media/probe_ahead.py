"""The probe of the video that is next in a batch, beside whatever computes this one."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO, NamedTuple

from tasks.engine.core.errors import Step4Error
from tasks.engine.system.sandbox import Bounds, ProcessResult, Runner


class Answer(NamedTuple):
    """What a process said, and of what."""

    arguments: list[str]
    stamp: tuple[int, int, int]
    result: ProcessResult
    said: bytes


@dataclass(frozen=True, slots=True)
class ProbeAhead:
    """A runner of probes that has the answer where the probe was started ahead.

    Attributes:
        probe: takes a video, and `runner`; asks what the runs of the batch will ask.
        runner: runs the processes.
    """

    probe: Callable[..., object]
    runner: Runner
    _started: dict[str, "Future[Answer | None]"] = field(default_factory=dict)

    def start(self, video: Path) -> None:
        """Start to probe the video whose run is the next; whatever is wrong with it, that run will say."""
        answer: Future[Answer | None] = Future()
        self._started[str(video.absolute())] = answer
        # Not a pool, whose threads are waited for at the end of the process, Ctrl-C or not.
        Thread(target=self._probe, args=(video, answer), daemon=True).start()

    def _probe(self, video: Path, answer: "Future[Answer | None]") -> None:
        def keep(arguments: list[str], bounds: Bounds, stdout: int | IO[bytes]) -> ProcessResult:
            stamp = stamp_of(video)
            result = self.runner(arguments, bounds, stdout)
            if not isinstance(stdout, int):
                stdout.seek(0)
                answer.set_result(Answer(arguments, stamp, result, stdout.read()))
            return result

        try:
            with suppress(Step4Error, OSError):
                self.probe(video, runner=keep)
        finally:
            if not answer.done():
                answer.set_result(None)

    def __call__(self, arguments: list[str], bounds: Bounds, stdout: int | IO[bytes]) -> ProcessResult:
        """Give the answer to the same question about the same file; run the process where there is none."""
        path = arguments[-3]  # as `probe_process.answer` takes them
        started = self._started.pop(path, None)
        answer = started.result() if started else None
        if isinstance(stdout, int) or not answer or answer[:2] != (arguments, stamp_of(Path(path))):
            return self.runner(arguments, bounds, stdout)
        stdout.write(answer.said)
        return answer.result


def stamp_of(path: Path) -> tuple[int, int, int]:
    """Return what changes where a file is written anew: inode, bytes, and nanoseconds since 1970."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
