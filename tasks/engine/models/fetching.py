"""Bring a model set onto this machine, or renew it: the one place where a branch of the hub moves on."""

from pathlib import Path

from tasks.engine.core.errors import ModelError
from tasks.engine.models import download, hub
from tasks.engine.models.copies import copy_set
from tasks.engine.models.misspelt import folders_remembered
from tasks.engine.models.model_set import ModelSet
from tasks.engine.models.registry import find, is_repository, models_folder, offline_set, split_pins


def fetch_set(models: str, to: Path | None = None) -> ModelSet:
    """Fetch a set in the newest state of its revision, with the repositories that it names.

    Args:
        models: `offline`, a hub id, or a folder whose config names repositories of the hub.
        to: folder to put a copy into; None for the model folder, or the hub's cache.

    Returns:
        The set where it is now.

    Raises:
        ModelError: it cannot be fetched, or a file is not what it should be.
        UsageError: no copy can be made of such a set, or in such a folder.
        StorageError: it cannot be written.
    """
    if models == "offline":
        download.fetch(to or models_folder())
        return offline_set(to or models_folder())
    for repository in repositories_of(models):
        with folders_remembered(repository):
            hub.download(repository)
    model_set = find(models)
    if to is None:
        return model_set
    copy_set(model_set, to)
    return find(str(to), fetch=False)


def repositories_of(models: str) -> list[str]:
    """List the repositories that a set is known to be made of, its own first."""
    name, pins = split_pins(models)
    own = [name] if is_repository(name) else []
    try:
        known = [pins.get(repository.partition("@")[0], repository) for repository in find(models, fetch=False).commits]
    except ModelError:
        known = []
    return list(dict.fromkeys([*own, *known]))
