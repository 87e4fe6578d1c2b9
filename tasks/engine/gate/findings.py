"""Results of a diagnosis, as plain data that a drift report carries."""

from dataclasses import asdict, dataclass
from typing import Any

from tasks.engine.core.stages import Stage


@dataclass(frozen=True, slots=True)
class Flips:
    """The hard decisions of one kind that differ between reference and candidate.

    Attributes:
        kind: of the decision, such as "class of a frame".
        total: decisions that were made.
        differing: decisions that differ.
        ties: of those, the ones within `tie` on both sides.
        clearest: the largest margin, on its weaker side, of a decision that differs; None where none does, or where
            the two sides had different things to decide on.
        closest: the smallest margin of any decision, (reference, candidate).
        unit: of the margins.
        tie: largest margin that counts as undecided.
    """

    kind: str
    total: int
    differing: int
    ties: int
    clearest: float | None
    closest: tuple[float, float]
    unit: str
    tie: float

    @property
    def defects(self) -> int:
        """Decisions that differ although they were clear on a side: rounding does not explain them."""
        return self.differing - self.ties

    def __str__(self) -> str:
        if not self.differing:
            return f"{self.kind}: all {self.total} equal"
        clear = "" if self.clearest is None else f", the clearest by {self.clearest:.3g} {self.unit}"
        return f"{self.kind}: {self.differing} of {self.total} differ, {self.ties} of them ties{clear}"

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON types."""
        return {**asdict(self), "closest": list(self.closest), "sentence": str(self)}


@dataclass(frozen=True, slots=True)
class Difference:
    """The distance between both sides' outputs of one stage.

    Attributes:
        stage: whose outputs these are.
        largest: largest absolute difference; None where the shapes differ.
        share: of the values that differ, 0 to 1.
        window: index of the window with the largest difference; None where nothing differs, and for samples.
        seconds: when that window, or sample, begins; None where nothing differs.
        drifts: whether the reference drifts when it is given the candidate's outputs up to this stage; None where
            that was not tried.
    """

    stage: Stage
    largest: float | None
    share: float
    window: int | None
    seconds: float | None
    drifts: bool | None = None


@dataclass(frozen=True, slots=True)
class Localization:
    """The first stage that diverged.

    Attributes:
        stage: the one that diverged.
        differences: of every stage up to it, in order of computation.
        advice: what to do about it, in one or two sentences.
    """

    stage: Stage
    differences: tuple[Difference, ...]
    advice: str

    @property
    def difference(self) -> Difference | None:
        """The difference of the stage that diverged; None where its outputs were not compared (frame mapping)."""
        return next((difference for difference in self.differences if difference.stage is self.stage), None)

    @property
    def sentence(self) -> str:
        """One line: stage, place, numbers, advice."""
        own = self.difference
        if own is None or own.seconds is None:
            return f"first diverged: {self.stage}. {self.advice}"
        where = f"at {own.seconds:.1f} s" if own.window is None else f"window {own.window} ({own.seconds:.1f} s)"
        size = "other shapes" if own.largest is None else f"largest difference {own.largest:.3g}"
        return f"first diverged: {self.stage}, {where}, {size}, {100 * own.share:.3g} % of values. {self.advice}"

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON types."""
        return {
            "stage": str(self.stage),
            "sentence": self.sentence,
            "advice": self.advice,
            "differences": [asdict(entry) | {"stage": str(entry.stage)} for entry in self.differences],
        }


@dataclass(frozen=True, slots=True)
class SpotCheck:
    """What a reference by sample found.

    Attributes:
        windows: of the file.
        recomputed: places in the file, ascending, of those that were computed again on the CPU in FP32.
        seed: the fresh number that they were drawn with, beside the samples' hash.
        largest_score_difference: of the speech probabilities of any frame of a window, 0 to 1.
        largest_embedding_distance: by cosine, 0 to 2, of any speaker of a window; None where nobody speaks.
        differing_decisions: frames of windows in which not the same speakers are active.
        decisions: frames of windows that were compared.
        beyond: windows beyond the limits.
        share_at_most: upper confidence bound on the share of such windows among all, 0 to 1.
        confidence: of the bound.
        proves_grouping: whether equal embeddings also prove who is one speaker: not those of the shared engine, which
            approximates them, and whose own grouping both sides of the sample are laid out with.
        neighbours: by what it is measured: the worst window's difference from its neighbours, its place and the line.
        outliers: places of the windows beyond such a line that had not been drawn: computed again, each by itself.
        regrouped: repetitions of clustering that stayed within the limits, embeddings moved as the drawn ones differ.
        seconds: that computing them again took.
        doubts: why the whole reference is needed, a sentence each; empty where the sample suffices.
    """

    windows: int
    recomputed: tuple[int, ...]
    seed: int
    largest_score_difference: float
    largest_embedding_distance: float | None
    differing_decisions: int
    decisions: int
    beyond: int
    share_at_most: float
    confidence: float
    proves_grouping: bool
    neighbours: dict[str, dict[str, float]]
    outliers: tuple[int, ...] = ()
    regrouped: int = 0
    seconds: float = 0.0
    doubts: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line for a log or a terminal."""
        found = f"{len(self.recomputed)} of {self.windows} windows computed again, {self.beyond} beyond the limits"
        found += f"; and {len(self.outliers)} that lie apart from their neighbours" if self.outliers else ""
        bound = f"with {self.confidence:.0%} confidence at most {self.share_at_most:.1%} of all are"
        return f"by sample: {found}; {bound}{'' if self.proves_grouping else '; who is one speaker is not proved'}"

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON types."""
        listed = {name: list(getattr(self, name)) for name in ("recomputed", "outliers", "doubts")}
        return asdict(self) | listed | {"seed": str(self.seed), "sentence": self.sentence}
