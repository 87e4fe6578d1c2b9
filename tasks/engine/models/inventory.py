"""What there is of model sets: on this machine, and in one of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.engine.core.errors import ModelError
from tasks.engine.models import hub
from tasks.engine.models.copies import CARD
from tasks.engine.models.model_set import ModelSet, SetFile
from tasks.engine.models.pipeline_config import CONFIG
from tasks.engine.models.registry import OFFLINE, find

LICENCES = {model.file: f"{model.licence}, {model.origin}" for model in OFFLINE}
NOT_STATED = "not stated"
DIARIZATION = re.compile(r"^pipeline:.*SpeakerDiarization", re.MULTILINE | re.DOTALL)
"""In the config of a pipeline. A segmentation network's names a task of that name."""


def sets_here(in_force: str) -> list[dict[str, Any]]:
    """List the sets here: the offline one, pipelines in the hub's cache, and the one in force.

    Nothing is fetched, and no checksum computed.
    """
    names = dict.fromkeys(("offline", *cached_pipelines(), in_force))
    return [{**state_of(name), "in_force": name == in_force} for name in names]


def cached_pipelines() -> Iterator[str]:
    """Yield the name of every speaker diarization pipeline in the hub's cache, with its revision unless it is main."""
    for folder in sorted(hub.cache_folder().glob("models--*--*")):
        repository = folder.name.removeprefix("models--").replace("--", "/", 1)
        for revision in revisions_in(folder):
            name = repository if revision == "main" else f"{repository}@{revision}"
            config = hub.cached(name, [CONFIG]) if hub.is_hub_id(name) else None
            if config and DIARIZATION.search((config / CONFIG).read_text(encoding="utf-8", errors="replace")):
                yield name


def revisions_in(folder: Path) -> list[str]:
    """List what a cached repository can be asked for by: its branches and tags, and commits that none leads to."""
    refs = sorted(path for path in (folder / "refs").rglob("*") if path.is_file())
    commits = {
        str(path.relative_to(folder / "refs")): path.read_text(encoding="ascii", errors="replace") for path in refs
    }
    others = sorted(
        {path.name for path in folder.glob("snapshots/*")} - {commit.strip() for commit in commits.values()}
    )
    return [*commits, *others]


def state_of(models: str) -> dict[str, Any]:
    """Tell of a set whether its files are here, from where, and of which commits."""
    try:
        model_set = find(models, fetch=False)
    except ModelError as error:
        return {"name": models, "here": False, "missing": str(error), "sources": {}}
    missing = [str(file.path) for file in model_set.files if not file.path.is_file()]
    sources = {source.name: source.commit or str(source.folder) for source in model_set.sources}
    return {"name": models, "here": not missing, "missing": ", ".join(missing), "sources": sources}


def contents(model_set: ModelSet) -> list[dict[str, Any]]:
    """Describe every file that a set loads, checked now.

    Raises:
        ModelError: a file is missing, or not what it should be.
    """
    return [described(file) for file in model_set.files]


def described(file: SetFile) -> dict[str, Any]:
    """Describe one file: name, content, proof, origin, licence."""
    checked = file.check()
    return {
        "file": file.name,
        "sha256": checked.sha256,
        "bytes": file.path.stat().st_size,
        "proof": checked.proof,
        "source": file.source.name,
        "commit": file.source.commit,
        "licence": LICENCES[file.name] if file.sha256 else licence_of(file),
        "path": str(file.path),
    }


def licence_of(file: SetFile) -> str:
    """Read the licence from the nearest model card above a file that states one."""
    for folder in file.path.parents:
        if licence := stated_licence(folder / CARD):
            return licence
        if folder == file.source.folder:
            break
    return NOT_STATED


def stated_licence(card: Path) -> str | None:
    """Return the `license` of a card's metadata, the YAML block before its text; None where it states none."""
    if not card.is_file():
        return None
    block = re.match(r"---\n(.*?)^---", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL | re.MULTILINE)
    stated = re.search(r"^license: *([\w.-]+)", block[1], re.MULTILINE) if block else None
    return stated[1] if stated else None
