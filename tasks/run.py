"""One run: what decides its result, and where its files lie before and after publication."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from profiles.settings import Configuration
from tasks.engine.core.errors import StorageError
from tasks.engine.core.speaker_bounds import SpeakerBounds
from tasks.engine.core.summary import Summary
from tasks.engine.devices.facts import DeviceFacts
from tasks.engine.devices.plan import DevicePlan, arithmetic_key
from tasks.engine.inference.result_store import ResultStore, digest, library_versions
from tasks.engine.inference.result_store import key as store_key
from tasks.engine.inference.types import Parameters
from tasks.engine.media.containers import Media
from tasks.engine.models.registry import pinned
from tasks.engine.publishing.names import MANIFEST, WORKSPACE
from tasks.engine.publishing.swap import restore
from tasks.engine.system.atomic import PARTIAL_PATTERN, disk_in_force
from tasks.engine.system.locks import lock_for
from tasks.engine.system.stale_files import owner_tag, remove_stale
from tasks.requests import SCHEMA_VERSION, asked_of, proofs_accepted, request_key


@dataclass(frozen=True)
class Run:
    """A video, what to compute it with, and where to publish.

    Attributes:
        media: the video, as its packets describe it.
        facts: the machine.
        plan: device and arithmetic.
        configuration: every choice.
        models: name to sha256 of every model file.
        output: folder to publish in.
        commits: of each hub repository that the models come from.
        refresh: write exchange copies anew although others changed them.
    """

    media: Media
    facts: DeviceFacts
    plan: DevicePlan
    configuration: Configuration
    models: dict[str, str]
    output: Path
    commits: Mapping[str, str] = field(default_factory=dict)
    refresh: bool = False

    @property
    def stem(self) -> str:
        """What the names of the published files begin with."""
        return self.media.path.stem

    @property
    def parameters(self) -> Parameters:
        """What changes the answer, beside samples and device; models at the commits that this run began with."""
        asked = self.configuration.model_dump()
        return Parameters.from_manifest({**asked, "models": pinned(asked["models"], self.commits)})

    @property
    def speaker_bounds(self) -> SpeakerBounds:
        """How many speakers were asked for."""
        return SpeakerBounds.of(self.configuration.model_dump())

    @cached_property
    def key(self) -> str:
        """Hash of everything that decides what is published: equal keys, equal publication."""
        return self._key(self.configuration)

    @property
    def accepted_keys(self) -> set[str]:
        """Keys of the publications that answer this run: its own, and one of the same that was proved as a whole."""
        return {self._key(configuration) for configuration in proofs_accepted(self.configuration)}

    def _key(self, configuration: Configuration) -> str:
        return digest(
            {
                **asked_of(configuration, self.models),
                "source": [self.media.path.name, self.media.sha256],
                "device": [self.plan.on_cpu, self.plan.device_name],
                "precision": arithmetic_key(self.plan),
                "method": [self.plan.engine, self.plan.segmentation_step],
            }
        )

    @property
    def request_key(self) -> str:
        """`request_key` of this run."""
        return request_key(self.configuration, self.models)

    @property
    def workspace(self) -> Path:
        """Where this project keeps what is not published."""
        return self.output / WORKSPACE

    @cached_property
    def staging(self) -> Path:
        """Where this run's files are made; the name tells which process they belong to."""
        return self.workspace / "staging" / owner_tag()

    @property
    def samples_path(self) -> Path:
        """Where the decoded samples lie while the run lasts: raw float32."""
        return self.staging / "samples.f32"

    @property
    def refused(self) -> Path:
        """Where candidate, reference and drift report of the last refused run are kept."""
        return self.workspace / "refused" / self.stem

    @property
    def aside(self) -> Path:
        """Where the files of an earlier publication wait while the new ones take their names."""
        return self.workspace / "previous" / self.stem

    @property
    def store(self) -> ResultStore:
        """Finished inferences."""
        return ResultStore(self.workspace / "inferences")

    def inference_name(self, plan: DevicePlan, samples_sha256: str) -> str:
        """Return the store's name for what a plan computes from the samples."""
        # Files decide, not their commit: a new model card leaves every result where it is.
        asked = replace(self.parameters, models=self.configuration.models)
        return store_key(samples_sha256, self.models, plan, asked)

    def published(self, suffix: str) -> Path:
        """Path of a published file, `clip` plus a suffix such as `_timeline.parquet`."""
        return self.output / f"{self.stem}{suffix}"

    @property
    def audio_json_suffix(self) -> str:
        """`_audio.json`, gzipped where that was asked for."""
        return "_audio.json.gz" if self.configuration.json_gzip else "_audio.json"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold this clip: a second run on the same input waits, then finds the first one's publication.

        What killed runs left is cleared up first, and a publication that one of them was replacing is put back.
        Whatever ends the block, this run's staging is removed, and the workspace with it where nothing is left in it.

        Raises:
            StorageError: the output folder does not take files.
        """
        with lock_for(self.published("")):
            restore(self.aside, self.published(MANIFEST))
            for folder, pattern in (
                (self.staging.parent, "*"),
                (self.store.folder, PARTIAL_PATTERN),
                (self.output, PARTIAL_PATTERN),
            ):
                remove_stale(folder, pattern)
            self._require_room()
            try:
                yield
            finally:
                shutil.rmtree(self.staging, ignore_errors=True)
                for folder in (self.staging.parent, self.aside.parent, self.workspace):
                    # Only ever an empty folder goes: other runs may be at work beside this one.
                    with suppress(OSError):
                        folder.rmdir()

    def _require_room(self) -> None:
        """Make the staging folder.

        Raises:
            StorageError: it cannot be made.
        """
        try:
            disk_in_force().make_folder(self.staging)
        except OSError as error:
            raise StorageError(
                f"{self.output} takes no files ({error.strerror or error}): choose another folder with --output"
            ) from error

    def metadata(self, samples_sha256: str | None, notes: Iterable[str] = ()) -> dict[str, Any]:
        """Return what every published file says of its origin.

        Args:
            samples_sha256: of the decoded sound, None where there is none.
            notes: what people should know of it.
        """
        source = {**self.media.facts(), "samples_sha256": samples_sha256}
        return {
            "schema_version": SCHEMA_VERSION,
            "source": {**source, "notes": [*self.media.notes, *notes]},
            "profile": self.configuration.profile,
            "models": self.models,
            "model_commits": dict(self.commits),
            "parameters": self.configuration.model_dump(
                exclude={"log_level", "profile", "partial_success_ok", "profiling", "limits"}
            ),
            "versions": {"step4-audio": version("step4-audio"), **library_versions()},
        }


@dataclass(frozen=True, slots=True)
class StagedTimeline:
    """A timeline that is written but not published.

    Attributes:
        timeline: the table of frames, in Parquet.
        turns: the table of turns, in Parquet.
        summary: frames with speech, and speakers.
        metadata: what all tables say of their origin.
        exclusive: the table of turns with one speaker at a time, where that was asked for.
    """

    timeline: Path
    turns: Path
    summary: Summary
    metadata: Mapping[str, Any]
    exclusive: Path | None = None
