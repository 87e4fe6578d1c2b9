"""Hooks between the stages of a diarization: record a stage's output, or put another in its place."""

from dataclasses import dataclass, field

import numpy as np

from tasks.engine.core.stages import Stage, Value


@dataclass
class StageHooks:
    """Stands between stages: keeps what passes, and puts something else in its place where it was given.

    Attributes:
        given: whole stage outputs to use instead of the computed ones.
        kept: whole stage outputs as they were used.
    """

    given: dict[Stage, Value] = field(default_factory=dict)
    kept: dict[Stage, Value] = field(default_factory=dict)
    _parts: dict[Stage, dict[int, Value]] = field(default_factory=dict)

    def whole(self, stage: Stage, value: Value) -> Value:
        """Pass one complete stage output; the caller may write to what it gets back."""
        self.kept[stage] = self.given.get(stage, value)
        return self.kept[stage].copy()

    def part(self, stage: Stage, first: int, value: Value) -> Value:
        """Pass a batch of a stage that is computed batch by batch; a batch that is repeated passes again.

        Args:
            stage: which one.
            first: the batch's first window.
            value: (windows, ...), padding behind.
        """
        if stage in self.given:
            ready = self.given[stage][first : first + len(value)]
            # The padding of a batch is not part of any stage output: it passes as it is.
            value = np.concatenate([ready, value[len(ready) :]])
        self._parts.setdefault(stage, {})[first] = value
        return value

    def finish(self, stage: Stage, windows: int) -> None:
        """Join the parts of a stage, float32, once the last batch of so many windows has passed."""
        parts = self._parts.pop(stage, {})
        if parts:
            whole = np.empty((windows, *next(iter(parts.values())).shape[1:]), dtype=np.float32)
            for first in sorted(parts):  # padding is overwritten by the batch behind
                whole[first : first + len(parts[first])] = parts[first][: windows - first]
            self.kept[stage] = whole
