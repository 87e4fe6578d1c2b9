"""One real run per clip, and what-if runs beside it: a stage's output replaced, everything behind it computed again."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from speech import cpu_plan

from tasks.engine.core.constants import ASSUMED_FPS, SAMPLE_RATE
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.stages import Stage, Value
from tasks.engine.core.timeline import Timeline
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.diagnosis.patching import on_frames
from tasks.engine.inference.diarizer import diarize, pipeline_for
from tasks.engine.inference.hooks import StageHooks
from tasks.engine.inference.types import Diarization, Parameters

PARAMETERS = Parameters()
REMEMBERED = 400
"""Layer outputs kept, of 1.5 MB each."""

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Run:
    """Result of a run.

    Attributes:
        timeline: on video frames.
        outputs: of every stage.
        plan: it ran under.
    """

    timeline: Timeline
    outputs: Mapping[Stage, Value]
    plan: DevicePlan


def plan_of(**changes: Any) -> DevicePlan:
    """The reference's plan on one thread (more of them wait for each other on a busy machine), with changes."""
    return replace(cpu_plan(), **{"threads": 1, **changes})


@dataclass
class Memory:
    """Remembers what layers gave for an input: exact, since a layer gives the same output for the same input.

    Only while `active`, so that no other run in this process is answered from it.
    """

    entries: OrderedDict[tuple[object, ...], torch.Tensor] = field(default_factory=OrderedDict)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let the FP32 pipeline's expensive layers answer from memory in this block."""
        layers = list(self._layers())
        for owner, name in layers:
            setattr(owner, name, self._remembering(getattr(owner, name), (id(owner), name)))
        try:
            yield
        finally:
            for owner, name in layers:
                delattr(owner, name)

    @staticmethod
    def _layers() -> Iterator[tuple[object, str]]:
        pipeline, _ = pipeline_for(PARAMETERS.models, "cpu", "fp32", "exact")
        segmentation = pipeline.segmentation_network
        yield segmentation.sincnet, "forward"
        yield segmentation.lstm, "forward"
        yield from ((layer, "forward") for layer in segmentation.linear)
        yield pipeline, "_frames"
        yield pipeline, "_embed"

    def _remembering(self, compute: Callable[..., Any], place: tuple[object, ...]) -> Callable[..., Any]:
        def remembered(*values: torch.Tensor) -> Any:
            digests = (hashlib.blake2b(np.ascontiguousarray(value.numpy())).digest() for value in values)
            key = (*place, *digests)
            if key not in self.entries:
                self.entries[key] = compute(*values)
            self.entries.move_to_end(key)
            while len(self.entries) > REMEMBERED:
                self.entries.popitem(last=False)
            return self.entries[key]

        return remembered


@dataclass
class Reference:
    """A clip, its real run, and the what-if runs that a fault needs.

    Attributes:
        name: of the clip.
        samples: (samples,) float32, as decoded.
        memory: outputs of expensive layers.
    """

    name: str
    samples: Samples
    memory: Memory = field(default_factory=Memory)

    @property
    def grid(self) -> FrameGrid:
        """Video frames that the clip's sound covers."""
        return FrameGrid(int(len(self.samples) / SAMPLE_RATE * ASSUMED_FPS), ASSUMED_FPS)

    @cached_property
    def run(self) -> Run:
        """The reference's own run."""
        return self.replay({})

    @cached_property
    def diarization(self) -> Diarization:
        """Its turns and scores."""
        return self._traced(self.samples, plan_of(), {})[0]

    @property
    def timeline(self) -> Timeline:
        """The reference's timeline."""
        return self.run.timeline

    def output(self, stage: Stage) -> Value:
        """A copy of one stage's output, to be mutated."""
        return self.run.outputs[stage].copy()

    def replay(self, given: Mapping[Stage, Value]) -> Run:
        """The reference with these stage outputs in place of its own."""
        return self._on_frames(*self._traced(self.samples, plan_of(), given), plan_of())

    def hear(self, samples: Samples) -> Run:
        """The reference's arithmetic on other samples."""
        return self._on_frames(*self._traced(samples, plan_of(), {}), plan_of())

    def compute(self, samples: Samples, plan: DevicePlan) -> Run:
        """A real run under another plan, or with layers that someone has hooked: nothing is remembered."""
        hooks = StageHooks()
        return self._on_frames(diarize(samples, plan, PARAMETERS, hooks=hooks), hooks.kept, plan)

    def _traced(
        self, samples: Samples, plan: DevicePlan, given: Mapping[Stage, Value]
    ) -> tuple[Diarization, dict[Stage, Value]]:
        hooks = StageHooks(given=dict(given))
        with self.memory.active():
            return diarize(samples, plan, PARAMETERS, hooks=hooks), hooks.kept

    def _on_frames(self, diarization: Diarization, outputs: Mapping[Stage, Value], plan: DevicePlan) -> Run:
        source = {"samples_sha256": hashlib.sha256(self.samples.tobytes()).hexdigest()}
        return Run(replace(on_frames(diarization, self.grid), metadata={"source": source}), outputs, plan)
