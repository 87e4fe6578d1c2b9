"""A model set: the files that a pipeline loads, where each comes from, and what pyannote is told of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.engine.models.checksums import OFFLINE_SET, CheckedFile, checked_file, checked_sha256, permission_required


@dataclass(frozen=True, slots=True)
class Source:
    """Where files of a set come from.

    Attributes:
        name: of a hub repository, `id` or `id@revision` as it was asked for; of a folder, its path.
        folder: on this machine.
        commit: of a hub repository.
    """

    name: str
    folder: Path
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class SetFile:
    """A file that a set loads.

    Attributes:
        name: what the set's identity calls it, by its part: `embedding/pytorch_model.bin`, wherever it lies.
        path: on this machine.
        source: where it comes from.
        sha256: what it must be, where that is known beforehand.
        place: relative path in a copy of the set, where its `config.yaml` finds it without a network.
        models: name of the set, as it was asked for.
    """

    name: str
    path: Path
    source: Source
    sha256: str | None = None
    place: str | None = None
    models: str = OFFLINE_SET

    @permission_required()
    def check(self) -> CheckedFile:
        """Read the file, and hold it against whatever is known of it.

        Raises:
            ModelError: missing, or other than it should be.
        """
        if self.sha256:
            return CheckedFile(checked_sha256(self.path, self.sha256), "known sha256")
        return checked_file(self.path, self.source.folder, self.models)


@dataclass(frozen=True, slots=True)
class ModelSet:
    """Everything that a pipeline loads.

    Attributes:
        name: as it was asked for.
        files: that decide what is computed, no others: a README is none.
        config: of the pipeline, with the parts replaced by what pyannote is told of them; empty for the offline set.
    """

    name: str
    files: tuple[SetFile, ...]
    config: Mapping[str, Any] = field(default_factory=dict)

    def identity(self) -> dict[str, str]:
        """Map every file to its sha256, read from disk now and held against whatever is known of it.

        Raises:
            ModelError: a file is missing, or other than it should be.
        """
        return {file.name: file.check().sha256 for file in self.files}

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the files come from, each once."""
        return tuple(dict.fromkeys(file.source for file in self.files))

    @property
    def commits(self) -> dict[str, str]:
        """Map each hub repository that the set uses to its commit."""
        return {source.name: source.commit for source in self.sources if source.commit}

    def stamp(self) -> tuple[tuple[str, int, int, int], ...]:
        """Tell the files apart without reading any: what is loaded may be used again while their stamp is the same."""
        there = ((file.path.resolve(), file.path.stat()) for file in self.files if file.path.is_file())
        return tuple((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino) for path, stat in there)
