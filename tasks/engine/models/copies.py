"""A copy of a model set in one folder, for machines without a network.

It has the files that the set loads where its own `config.yaml` finds them: repositories of the hub under their ids,
what lay beside a folder's config there. The config is the same to the byte, so the copy computes under the same
identity. The model cards come along, since they state the licences, and `SHA256SUMS` says what every file must be.
"""

import shutil
from collections.abc import Collection
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
        UsageError: nothing of the set is of the hub, a part has no place in a copy, or the folder holds something else
            or links out of it.
        StorageError: it cannot be written.
    """
    places = {file.place: file for file in model_set.files if file.place}
    if not model_set.commits:
        raise UsageError(f"{model_set.name} lies in folders already: copy them as they are")
    if placeless := next((file for file in model_set.files if not file.place), None):
        raise UsageError(
            f"{placeless.path} has no place in a copy of {model_set.name}: expected a config that names it by a path "
            "relative to its folder, or at the revision of its repository"
        )
    if not (folder / SUMS).is_file() and (other := other_file(folder, {*places, *cards(model_set)})):
        raise UsageError(f"{folder} holds {other}: expected an empty folder, or a copy of a set, whole or not")
    require_inside(folder, {*places, *cards(model_set)})
    sums = {place: file.check().sha256 for place, file in places.items()}
    make_folder(folder)
    # While files change, no list of sums says that the copy is whole.
    (folder / SUMS).unlink(missing_ok=True)
    copied = [copy(file.path, folder / place) for place, file in places.items()]
    copied += [copy(card, folder / place) for place, card in cards(model_set).items()]
    atomic_write_text(folder / SUMS, "".join(f"{sha256}  {place}\n" for place, sha256 in sums.items()))
    return copied


def other_file(folder: Path, places: Collection[str]) -> Path | None:
    """Find a file in a folder that an interrupted copy would not have left there."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return next((file for file in files if str(file) not in places and not file.match(PARTIAL_PATTERN)), None)


def require_inside(folder: Path, places: Collection[str]) -> None:
    """Refuse folders in a copy that are links out of it: whoever packed the copy would choose what is written to.

    Raises:
        UsageError: with the first.
    """
    for parent in sorted({(folder / place).parent for place in places}):
        if not parent.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"{parent} leads to {parent.resolve()}: expected a folder of the copy, not a link out of it"
            )


def cards(model_set: ModelSet) -> dict[str, Path]:
    """Map places in a copy to the model cards above each file, which state its licence."""
    found: dict[str, Path] = {}
    for file in model_set.files:
        for folder, place in zip(file.path.parents, Path(file.place or "").parents, strict=False):
            if (folder / CARD).is_file():
                found.setdefault(str(place / CARD), folder / CARD)
            if folder == file.source.folder:
                break
    return found


def copy(source: Path, target: Path) -> Path:
    """Copy a file, whole or not at all."""
    make_folder(target.parent)
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    return target
