"""A copy of a model set in one folder, for machines without a network.

It has the files that the set loads where its own `config.yaml` finds them: repositories of the hub under their ids. The
config is the same to the byte, so the copy computes under the same identity as the hub's set. The model cards come
along, since they state the licences, and `SHA256SUMS` says what every file must be.
"""

import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from tasks.engine.core.errors import UsageError
from tasks.engine.models.checksums import SUMS
from tasks.engine.models.model_set import ModelSet
from tasks.engine.system.atomic import PARTIAL_PATTERN, atomic_path, atomic_write_text, make_folder

CARD = "README.md"


def copy_set(model_set: ModelSet, folder: Path) -> list[Path]:
    """Copy the checked files of a set into a folder, each whole or not at all, `SHA256SUMS` last.

    Returns:
        What was copied.

    Raises:
        ModelError: a file is not what it should be.
        UsageError: the set is not made of hub repositories alone, or the folder holds something else.
        StorageError: it cannot be written.
    """
    places = {file.place: file for file in model_set.files if file.place}
    if len(places) < len(model_set.files):
        raise UsageError(f"{model_set.name} lies in folders already: copy them as they are")
    if not (folder / SUMS).is_file() and (other := other_file(folder, {*places, *dict(cards(model_set)).values()})):
        raise UsageError(f"{folder} holds {other}: expected an empty folder, or a copy of a set, whole or not")
    sums = {place: file.check().sha256 for place, file in places.items()}
    make_folder(folder)
    # While files change, no list of sums says that the copy is whole.
    (folder / SUMS).unlink(missing_ok=True)
    copied = [copy(file.path, folder / place) for place, file in places.items()]
    copied += [copy(card, folder / place) for card, place in cards(model_set)]
    atomic_write_text(folder / SUMS, "".join(f"{sha256}  {place}\n" for place, sha256 in sums.items()))
    return copied


def other_file(folder: Path, places: Collection[str]) -> Path | None:
    """Find a file in a folder that an interrupted copy would not have left there."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return next((file for file in files if str(file) not in places and not file.match(PARTIAL_PATTERN)), None)


def cards(model_set: ModelSet) -> Iterator[tuple[Path, str]]:
    """Yield each repository's model card, and its place in a copy."""
    for source in model_set.sources:
        own = source == model_set.files[0].source
        if (source.folder / CARD).is_file():
            yield source.folder / CARD, CARD if own else f"{source.name}/{CARD}"


def copy(source: Path, target: Path) -> Path:
    """Copy a file, whole or not at all."""
    make_folder(target.parent)
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    return target
