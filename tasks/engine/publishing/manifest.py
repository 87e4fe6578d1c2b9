"""The manifest: the one file that says what is published beside a video, from what, and with which checksums.

Readers trust only what it lists. Whether a video needs a run is told from it without reading any video, which is cheap
enough to ask of ten thousand.
"""

import json
import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.engine.core.errors import StorageError, UsageError
from tasks.engine.publishing.names import EXCLUSIVE, MANIFEST, TIMELINE, TURNS, WORKSPACE, is_exchange_copy
from tasks.engine.system.atomic import sha256_of

REQUIRED_FILES = {TIMELINE, TURNS}
"""Suffixes of the files that every manifest lists."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a run ends with.

    Attributes:
        path: of the manifest.
        manifest: its content.
        already: whether an earlier run had published it.
    """

    path: Path
    manifest: Mapping[str, Any]
    already: bool = False


def proved_by_sample(manifest: Mapping[str, Any]) -> bool:
    """Tell whether a publication rests on a reference by sample: nobody has held all of it against one."""
    check = manifest.get("spot_check")
    return bool(check) and not (isinstance(check, dict) and check.get("doubts"))


def manifest_path(video: Path, output: Path | None) -> Path:
    """Name the manifest of a video, present or not; ``output`` is None for beside the video."""
    return (output or video.parent) / f"{video.stem}{MANIFEST}"


def load_manifest(path: Path) -> dict[str, Any] | None:
    """Read a manifest without looking at its files; None where there is none that can be read."""
    return _load_object(path)


def manifest_of(table: Path) -> dict[str, Any] | None:
    """Read the manifest beside a file that lists it as it is; None where there is none, or the file was changed."""
    for stem in (table.stem, table.name.rpartition("_")[0]):
        manifest = _load_object(table.with_name(f"{stem}{MANIFEST}")) or {}
        with suppress(KeyError, TypeError):  # another file's, or none of ours
            if manifest["files"][table.name]["sha256"] == sha256_of(table):
                return manifest
    return None


def turns_published_with(timeline: Path, *, exclusive: bool = False) -> Path | None:
    """Find the table of turns of a timeline's own publication: one manifest lists both, as they are.

    Args:
        timeline: the file.
        exclusive: those with one speaker at a time.

    Returns:
        The table; None where there is none.

    Raises:
        UsageError: there is none with one speaker at a time.
    """
    if timeline.name.endswith(TIMELINE):
        turns = timeline.with_name(timeline.name.removesuffix(TIMELINE) + (EXCLUSIVE if exclusive else TURNS))
        manifest = manifest_of(turns) if turns.is_file() else None
        if manifest is not None and manifest == manifest_of(timeline):
            return turns
    if exclusive:
        raise UsageError(
            f"{timeline} has no turns with one speaker at a time: a …{TIMELINE} would be accepted that was published "
            f"with --exclusive, beside a manifest (…{MANIFEST}) that lists both files as they are"
        )
    return None


def load_verified_manifest(path: Path) -> dict[str, Any] | None:
    """Read a manifest whose tables are what was published; None where one is not, or there is none to read."""
    try:
        return require_verified_manifest(path)
    except StorageError:
        return None


def require_verified_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest whose every file is what was published, exchange copies left out: others may rewrite those.

    Raises:
        StorageError: there is no manifest that can be read, it lists no timeline, or a file it lists is missing or
            has another checksum; the sentence names which.
    """
    manifest = load_manifest(path)
    unreadable = StorageError(f"{path} cannot be read as a manifest: its timeline is not published any more")
    if manifest is None:
        raise unreadable
    try:
        checksums = {name: entry["sha256"] for name, entry in manifest["files"].items()}
        if not {f"_{name.rpartition('_')[2]}" for name in checksums} >= REQUIRED_FILES:
            raise unreadable
        for name, checksum in checksums.items():
            if not is_exchange_copy(name) and sha256_of(path.parent / name) != checksum:
                raise StorageError(f"{path.parent / name} was changed since it was published: its checksum differs")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise unreadable from error
    return manifest


def _load_object(path: Path) -> dict[str, Any] | None:
    """Read a file that holds one JSON object; None where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def is_current(video: Path, output: Path | None, request_keys: Collection[str]) -> bool:
    """Tell whether a run of this video would only find what it once published.

    Told without reading any video where it can be: the manifest must answer one of the requests, name this file (or one
    that was moved or copied here), come from no device that failed in its run (`fell_back`), and every file in it must
    be there in its recorded size, but for exchange copies. The video itself counts as unchanged while its size and time
    of change are the recorded ones; where only the time differs, or where the file that the manifest names is still
    elsewhere, its sha256 decides. A change that keeps size and time of change is not seen here, only by a run, which
    reads everything.
    """
    path = manifest_path(video, output)
    manifest = load_manifest(path)
    try:
        return (
            manifest is not None
            and manifest["request_key"] in request_keys
            and manifest["source"]["name"] == video.name
            and not fell_back(manifest["device"])
            and all(has_size(path.parent / name, entry["bytes"]) for name, entry in manifest["files"].items())
            and is_unchanged(video, manifest)
        )
    except (OSError, KeyError, TypeError, AttributeError, StorageError):
        return False


def has_size(path: Path, size: int) -> bool:
    """Tell whether a published file has its size, or is one that others may rewrite.

    Raises:
        OSError: it is not there.
    """
    return is_exchange_copy(path.name) or path.stat().st_size == size


def fell_back(device: Mapping[str, Any]) -> bool:
    """Tell whether the device failed in the run that published. That is computed anew: the device may work again.

    A plan that a self-check had moved to the CPU before the run began is no failure: the next run would plan the same.
    """
    reason = device.get("fallback_reason")
    return bool(reason) and reason != device.get("planned", {}).get("fallback_reason")


def is_unchanged(video: Path, manifest: Mapping[str, Any]) -> bool:
    """Tell whether a video is what it was when its timeline was published.

    Raises:
        OSError, StorageError: it cannot be read.
    """
    current, recorded = video.stat(), manifest["video_stat"]
    if current.st_size != recorded["bytes"]:
        return False
    named = Path(manifest["video"])
    of_another = named != video and named.exists()  # or of the original of this copy: the content tells
    if not of_another and current.st_mtime_ns == recorded["mtime_ns"]:
        return True
    return sha256_of(video) == str(manifest["source"]["sha256"])


def refusal_excess(video: Path, output: Path | None) -> float:
    """Read how many times its limit the worst criterion of a video's last refusal was: infinite over a limit of 0.

    0 where no criterion was measured, or no refusal can be read.
    """
    path = (output or video.parent) / WORKSPACE / "refused" / video.stem / "drift.json"
    criteria = (_load_object(path) or {}).get("criteria", ())
    return max((excess_of(criterion) for criterion in criteria if criterion["passed"] is False), default=0.0)


def excess_of(criterion: Mapping[str, Any]) -> float:
    """Divide value by limit, of a criterion as it stands in a report; a value that JSON could not say is infinite."""
    value, limit = criterion["value"], criterion["limit"]
    return math.inf if value is None or not limit else float(value / limit)


def find_manifests(folders: Iterable[Path]) -> Iterator[Path]:
    """Find every manifest in or below the folders, in order of path; hidden folders are left out."""
    for folder in folders:
        for parent, subfolders, files in os.walk(folder.absolute()):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            yield from (Path(parent) / name for name in sorted(files) if name.endswith(MANIFEST))
