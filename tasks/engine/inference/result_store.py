"""Finished inferences, kept by what they were computed from, so that none is ever computed twice.

An entry's name is the hash of everything that decides its content: samples, models, parameters, device and arithmetic,
library versions. Correctness does not depend on any scheduler's state, and a changed input can never hit an old entry.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.devices.plan import DevicePlan, arithmetic_key
from tasks.engine.inference.types import Diarization, Parameters
from tasks.engine.inference.window_outputs import WindowOutputs
from tasks.engine.system.atomic import atomic_path, make_folder
from tasks.engine.system.locks import lock_for

ENGINE_VERSION = 2
"""Bump when the same inputs give other turns or scores: every older entry is then ignored."""

LIBRARIES = ("torch", "pyannote.audio", "numpy", "scipy", "fastcluster")


COLUMNS = {"start": np.float64, "end": np.float64, "speaker": np.str_, "mean_score": np.float64}
"""Of a turn in an entry, in the order of its fields."""

EXCLUSIVE = "exclusive_"


def key(samples_sha256: str, models: dict[str, str], plan: DevicePlan, parameters: Parameters) -> str:
    """Name an entry. Batch size and threads are left out: they are not allowed to change the answer."""
    return digest(
        {
            "engine": ENGINE_VERSION,
            "samples": samples_sha256,
            "models": models,
            "device": None if plan.on_cpu else plan.device_name,
            "precision": arithmetic_key(plan),
            "method": [plan.engine, plan.segmentation_step],
            "parameters": astuple(parameters),
            "libraries": library_versions(),
        }
    )


def digest(value: Any) -> str:  # noqa: ANN401  # any JSON value
    """Hash a value's canonical JSON with sha256."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def columns(turns: Iterable[Turn], prefix: str) -> dict[str, Any]:
    """Turn turns into columns, by name."""
    listed = list(turns)
    return {
        f"{prefix}{name}": np.array([getattr(turn, name) for turn in listed], kind) for name, kind in COLUMNS.items()
    }


@cache
def library_versions() -> dict[str, str]:
    """Look up the versions of the libraries that compute, once: what a process has imported stays."""
    return {name: version(name) for name in LIBRARIES}


class ResultStore:
    """A folder of entries."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def is_empty(self) -> bool:
        """Tell whether no inference is kept at all."""
        return not any(self.folder.glob("*.npz"))

    def path(self, name: str) -> Path:
        """Where an entry lies, present or not."""
        return self.folder / f"{name}.npz"

    @contextmanager
    def claim(self, name: str) -> Iterator[None]:
        """Hold the entry's lock: whoever wants the same inference waits for the first one instead of repeating it."""
        with lock_for(self.path(name)):
            yield

    def windows_path(self, name: str) -> Path:
        """Where what the networks gave for an entry's windows lies until it was checked, present or not."""
        return self.folder / f"{name}.windows"

    def get(self, name: str, *, with_windows: bool = False) -> Diarization | None:
        """Read an entry; None where it is absent or unreadable (it is then computed again).

        Args:
            name: of the entry.
            with_windows: also what the networks gave for every window; an entry without that is none then.
        """
        try:
            with np.load(self.path(name), allow_pickle=False) as entry:
                turns, exclusive = (
                    tuple(
                        Turn(*row) for row in zip(*(entry[f"{kind}{name}"].tolist() for name in COLUMNS), strict=True)
                    )
                    for kind in ("", EXCLUSIVE)
                )
                start, step = entry["grid"].tolist()
                scores = SpeechScores(entry["scores"], start, step)
                facts = json.loads(str(entry["facts"]))
                windows = self._windows(name) if with_windows else None
                return Diarization(turns, scores, facts, exclusive, windows)
        except Exception:  # noqa: BLE001  # numpy and zipfile refuse a damaged entry in a dozen ways, all meaning this
            return None

    def _windows(self, name: str) -> WindowOutputs:
        with np.load(self.windows_path(name), allow_pickle=False) as entry:
            return WindowOutputs(entry["speech"], entry["decisions"], entry["embeddings"])

    def put(self, name: str, result: Diarization) -> None:
        """Write an entry, whole or not at all."""
        make_folder(self.folder)
        if (windows := result.windows) is not None:
            with atomic_path(self.windows_path(name)) as temporary, temporary.open("wb") as file:
                np.savez(file, speech=windows.speech, decisions=windows.decisions, embeddings=windows.embeddings)
        with atomic_path(self.path(name)) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                **columns(result.turns, ""),
                **columns(result.exclusive, EXCLUSIVE),
                scores=result.scores.values,
                grid=np.array([result.scores.start, result.scores.step]),
                facts=np.array(json.dumps(result.facts)),
            )

    def drop(self, name: str) -> None:
        """Forget an entry, so that it is computed again."""
        self.path(name).unlink(missing_ok=True)
        self.drop_windows(name)

    def doubt(self, samples_sha256: str, name: str) -> None:
        """Remember that a sample raised a doubt about an entry, computed from these samples."""
        make_folder(self.folder)
        self._doubted(samples_sha256, name).touch()

    def is_doubted(self, samples_sha256: str) -> bool:
        """Tell whether a doubt was raised about anything computed from these samples, and not cleared up."""
        return any(self.folder.glob(self._doubted(samples_sha256, "*").name))

    def clear_doubt(self, samples_sha256: str, name: str) -> None:
        """Forget a doubt about an entry: a whole reference agreed with that one, which says nothing of others."""
        self._doubted(samples_sha256, name).unlink(missing_ok=True)

    def _doubted(self, samples_sha256: str, name: str) -> Path:
        return self.folder / f"{samples_sha256}.{name}.doubted"

    def drop_windows(self, name: str) -> None:
        """Forget what the networks gave for an entry's windows: 25 MB an hour."""
        self.windows_path(name).unlink(missing_ok=True)
