"""Runs that are killed, and what they leave: shared by the tests and by `benchmarks/robustness/kills.py`.

The process under test is a real one with the real flow, ffmpeg, files and locks; only the networks are scripted, slow
enough to be killed inside inference. It is forked from a server that has everything imported, since a kill needs a
process of its own and importing takes seconds.
"""

import json
import multiprocessing
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil

from tasks.engine.publishing.manifest import load_verified_manifest
from tasks.engine.testing import ScriptedDiarizer

STEPS, STEP_SEC = 20, 0.03
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["scripted_runs", "killing", "prefect.flow_engine", "prefect.task_engine", "prefect.events.clients"]
)
HALF, LEAK, REPEATED, OTHER_BYTES, FAILED = "half published", "leak", "repeated", "other bytes", "rerun failed"


@dataclass
class SlowDiarizer:
    """Takes its time, and notes in a journal when an inference begins and ends."""

    journal: Path

    def __call__(self, samples: Any, plan: Any, parameters: Any, progress: Any) -> Any:
        """Answer from the script, slowly."""
        self.note(f"began {plan.device}")
        for step in range(STEPS):
            time.sleep(STEP_SEC)
            progress("segmentation", step + 1, STEPS)
        from scripted_runs import TURNS

        return ScriptedDiarizer(TURNS)(samples, plan, parameters, lambda *_: None)

    def note(self, line: str) -> None:
        """One line that survives a kill."""
        with self.journal.open("a") as file:
            file.write(line + "\n")


def work(bench: "Bench", min_speech_ms: int) -> None:
    """What the process does that is killed: a candidate on a scripted GPU and its reference on the CPU."""
    import tempfile

    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from scripted_runs import publish

    from tasks.engine.system import sandbox

    os.environ["TMPDIR"] = os.environ["STEP4_DIAGNOSTICS_DIR"] = str(bench.temporary)
    os.chdir(bench.folder)
    tempfile.tempdir = None
    with temporary_settings({PREFECT_API_URL: bench.api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        publish(bench.video, SlowDiarizer(bench.journal), gpu=True, probe=sandbox.run, min_speech_ms=min_speech_ms)


@dataclass
class Bench:
    """One folder in which a clip is published again and again, by processes that are killed.

    folder: holds `videos/clip.wav`. A run publishes with one of two settings in turn, so that every run replaces an
    earlier publication.
    """

    folder: Path
    api: str = ""
    already: bool = False
    reached: str = ""
    stages: Counter[str] = field(default_factory=Counter)

    def share(self, api: str | None) -> None:
        """Let every run report to this Prefect server."""
        self.api = api or ""

    def rehearse(self) -> tuple[list[dict[str, Any]], float]:
        """What each of the two settings publishes when nobody kills it, and the seconds of a run."""
        expected = []
        for turn in (0, 1, 0, 1):
            self.forget()
            code, seconds = self.finish(turn)
            assert code == 0
            expected.append(self.publication())
        assert expected[:2] == expected[2:]
        return expected[:2], seconds

    def forget(self) -> None:
        """Every inference will have to be done again."""
        for entry in (self.video.parent / ".step4" / "inferences").glob("*.npz"):
            entry.unlink()

    @property
    def video(self) -> Path:
        """The clip."""
        return self.folder / "videos" / "clip.wav"

    @property
    def journal(self) -> Path:
        """Where inferences are noted."""
        return self.folder / "journal"

    @property
    def temporary(self) -> Path:
        """The temporary folder of the runs."""
        return self.folder / "tmp"

    def start(self, turn: int) -> BaseProcess:
        """Begin a run."""
        self.temporary.mkdir(exist_ok=True)
        minimum = (200, 300)[turn % 2]
        process = FORKS.Process(target=work, args=(self, minimum))
        process.start()
        return process

    def finish(self, turn: int) -> tuple[int, float]:
        """A whole run: its exit code and seconds."""
        started = time.perf_counter()
        process = self.start(turn)
        process.join(120)
        return process.exitcode or 0, time.perf_counter() - started

    def publication(self) -> dict[str, Any]:
        """What is published, times left out; the manifest as a value, the other files as bytes."""
        found: dict[str, Any] = {p.name: p.read_bytes() for p in self.video.parent.glob("clip*") if p != self.video}
        manifest = json.loads(found.pop("clip_step4.json", b"{}"))
        manifest.pop("published_at", None)
        return {**found, "manifest": manifest}

    def shared_memory(self) -> set[str]:
        """Names in /dev/shm."""
        return set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()  # noqa: S108, PTH112, PTH208  # the real one

    def kill(self, turn: int, after_sec: float, expected: dict[str, Any]) -> list[str]:
        """Start a run, kill it, look, run again, look again.

        Returns:
            What was wrong, in the words above; empty where nothing was.
        """
        self.forget()
        self.journal.write_text("")
        before, shared = self.publication(), self.shared_memory()
        process = self.start(turn)
        process.join(after_sec)
        process.kill()
        process.join()
        self.reached = "inferring" if self.journal.read_text() else "before inference"
        wrong = self.after_the_kill(before, expected)
        kept = len(list((self.video.parent / ".step4" / "inferences").glob("*.npz")))
        self.journal.write_text("")
        code, _ = self.finish(turn)
        began = len(self.journal.read_text().splitlines())
        wrong += [FAILED] if code else []
        wrong += [OTHER_BYTES] if self.publication() != expected else []
        # Two inferences make a run; one whose entry was written before the kill is never begun again.
        wrong += [REPEATED] if began > (0 if self.already else 2 - kept) else []
        self.stages[self.stage(kept)] += 1
        return wrong + self.leaks(shared)

    def stage(self, kept: int) -> str:
        """How far the killed run had come."""
        return "published" if self.already else ("inferred" if kept == 2 else "one inferred" if kept else self.reached)

    def after_the_kill(self, before: dict[str, Any], expected: dict[str, Any]) -> list[str]:
        """What a reader meets between kill and rerun, and who is still at work."""
        path = self.video.parent / "clip_step4.json"
        manifest, found = load_verified_manifest(path), self.publication()
        self.already = manifest is not None and found == expected
        wrong = [HALF] if path.exists() and (manifest is None or found not in (before, expected)) else []
        return wrong + ([LEAK] if self.orphans() else [])

    def orphans(self) -> list[int]:
        """Processes that still work on the clip, once the kernel had two seconds to end them."""
        until = time.monotonic() + 2
        while (alive := [p.pid for p in psutil.process_iter(["cmdline"]) if self.works_here(p)]) and (
            time.monotonic() < until
        ):
            time.sleep(0.02)
        return alive

    def works_here(self, process: psutil.Process) -> bool:
        """Is this an ffmpeg or a probe on the clip?"""
        return any(str(self.video) in part for part in process.info["cmdline"] or ()) and process.pid != os.getpid()

    def leaks(self, shared: set[str]) -> list[str]:
        """Staging, temporary files, files put aside, shared memory, anything but locks in the temporary folder."""
        workspace = self.video.parent / ".step4"
        left = [*workspace.glob("staging/*"), *workspace.glob("previous/*"), *self.video.parent.rglob("*.part")]
        left += [path for path in self.temporary.iterdir() if not path.name.startswith("step4-locks-")]
        return [LEAK] if left or self.shared_memory() - shared else []
