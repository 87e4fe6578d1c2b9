"""What lies published beside a video, told from its manifest alone: cheap enough to ask of ten thousand videos."""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.engine.core.errors import (
    StorageError,
)
from tasks.engine.publishing.names import MANIFEST, WORKSPACE
from tasks.engine.system.atomic import sha256_of


@dataclass(frozen=True, slots=True)
class Published:
    """What a run ends with: its manifest, and whether the files were there already."""

    path: Path
    manifest: Mapping[str, Any]
    already: bool = False


def manifest_path(video: Path, output: Path | None) -> Path:
    """Where the manifest of a video lies, present or not."""
    return (output or video.parent) / f"{video.stem}{MANIFEST}"


def manifest_of(path: Path) -> dict[str, Any] | None:
    """A manifest as it stands, its files not looked at; None where there is none that can be read."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def is_current(video: Path, output: Path | None, request_key: str) -> bool:
    """Would a run of this video only find what it once published?

    Asked without reading any video: the manifest must answer the same request, name this file (or one that has since
    been moved here), come from no device that failed in its run (`fell_back`), and every file in it must be there in
    its recorded size. The video itself counts as unchanged while its size and time of change are the recorded ones;
    where only the time differs its sha256 decides. A change that keeps size and time of change is not seen here, only
    by a run, which reads everything.
    """
    path = manifest_path(video, output)
    manifest = manifest_of(path)
    try:
        return (
            manifest is not None
            and manifest["request_key"] == request_key
            and manifest["source"]["name"] == video.name
            and not fell_back(manifest["device"])
            and is_own(Path(manifest["video"]), video)
            and all((path.parent / name).stat().st_size == one["bytes"] for name, one in manifest["files"].items())
            and is_unchanged(video, manifest)
        )
    except (OSError, KeyError, TypeError, AttributeError, StorageError):
        return False


def fell_back(device: Mapping[str, Any]) -> bool:
    """Did the device fail in the run that published? Such a publication is made anew: the device may work again.

    A plan that a self-check had moved to the CPU before the run began is no failure: the next run would plan the same.
    """
    reason = device.get("fallback_reason")
    return bool(reason) and reason != device.get("planned", {}).get("fallback_reason")


def is_own(named: Path, video: Path) -> bool:
    """Does a manifest that names one path speak of the video at another? Not while both exist."""
    return named == video or not named.exists()


def is_unchanged(video: Path, manifest: Mapping[str, Any]) -> bool:
    """Is a video what it was when its timeline was published?

    Raises:
        OSError, StorageError: it cannot be read.
    """
    now, then = video.stat(), manifest["video_stat"]
    if now.st_size != then["bytes"]:
        return False
    return bool(now.st_mtime_ns == then["mtime_ns"] or sha256_of(video) == manifest["source"]["sha256"])


def refusal_excess(video: Path, output: Path | None) -> float:
    """How many times its limit the worst criterion of the last refusal of a video was: infinite over a limit of 0.

    0 where no criterion was measured, or no refusal can be read.
    """
    path = (output or video.parent) / WORKSPACE / "refused" / video.stem / "drift.json"
    report = manifest_of(path) or {}
    return max((excess_of(one) for one in report.get("criteria", ()) if one["passed"] is False), default=0.0)


def excess_of(criterion: Mapping[str, Any]) -> float:
    """Value in limits, of a criterion as it stands in a report; a value that JSON could not say is infinite."""
    value, limit = criterion["value"], criterion["limit"]
    return math.inf if value is None or not limit else float(value / limit)


def find_manifests(folders: Iterable[Path]) -> Iterator[Path]:
    """Every manifest in or below the folders, hidden folders left out, in order of path."""
    for folder in folders:
        for here, names, files in os.walk(folder.absolute()):
            names[:] = sorted(name for name in names if not name.startswith("."))
            yield from (Path(here) / name for name in sorted(files) if name.endswith(MANIFEST))


def require_whole(path: Path) -> dict[str, Any]:
    """A manifest whose every file is what was published.

    Raises:
        StorageError: naming what is not.
    """
    manifest = manifest_of(path)
    if manifest is None or "files" not in manifest:
        raise StorageError(f"{path} cannot be read as a manifest: its timeline is not published any more")
    for name, entry in manifest["files"].items():
        if sha256_of(path.parent / name) != entry["sha256"]:
            raise StorageError(f"{path.parent / name} was changed since it was published: its checksum differs")
    return manifest


def read_manifest(path: Path) -> dict[str, Any] | None:
    """A manifest whose every file is present with its checksum, else None."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        whole = {"_timeline.parquet", "_turns.parquet"} <= {f"_{name.rpartition('_')[2]}" for name in manifest["files"]}
        whole = whole and all(
            sha256_of(path.parent / name) == entry["sha256"] for name, entry in manifest["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StorageError):
        return None
    return manifest if whole else None
