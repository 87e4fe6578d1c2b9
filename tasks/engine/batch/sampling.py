"""Draw a stratified sample, and bound the share of bad files in the population it was drawn from."""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.engine.core.confidence import upper_share

Stratum = tuple[str, str]
"""(device name, profile)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A draw of manifests.

    Attributes:
        seed: repeats the draw, as long as the same manifests are there.
        population: how many manifests there are, by stratum.
        drawn: paths of those that were drawn, by stratum.
    """

    seed: int
    population: Mapping[Stratum, int]
    drawn: Mapping[Stratum, tuple[Path, ...]]

    @property
    def sizes(self) -> dict[Stratum, int]:
        """Number of manifests drawn, by stratum."""
        return {stratum: len(paths) for stratum, paths in self.drawn.items()}


def draw(manifests: Iterable[tuple[Stratum, Path]], size: int, seed: int) -> Sample:
    """Draw without replacement, in proportion to the strata, at least one of each where `size` allows.

    Args:
        manifests: (stratum, path) of every published timeline; their paths are held in memory.
        size: how many to draw; all where there are no more.
        seed: of the generator.
    """
    strata: dict[Stratum, list[Path]] = defaultdict(list)
    for stratum, path in manifests:
        strata[stratum].append(path)
    population = {stratum: len(strata[stratum]) for stratum in sorted(strata)}
    sizes = allocate(population, size)
    generator = random.Random(seed)  # noqa: S311  # a sample that can be drawn again, not a secret
    drawn = {stratum: tuple(sorted(generator.sample(sorted(strata[stratum]), n))) for stratum, n in sizes.items()}
    return Sample(seed, population, drawn)


def allocate(population: Mapping[Stratum, int], size: int) -> dict[Stratum, int]:
    """Share a sample among the strata: proportional by largest remainder, after one of each, the largest first."""
    total = sum(population.values())
    size = min(size, total)
    by_size = sorted(population, key=lambda stratum: (-population[stratum], stratum))
    sizes = {stratum: int(rank < size) for rank, stratum in enumerate(by_size)}
    for _ in range(size - sum(sizes.values())):
        short = max(
            (stratum for stratum in by_size if sizes[stratum] < population[stratum]),
            key=lambda stratum: population[stratum] * size / total - sizes[stratum],
        )
        sizes[short] += 1
    return {stratum: sizes[stratum] for stratum in population}


def upper_bound(sizes: Mapping[Stratum, int], population: Mapping[Stratum, int], bad: int, confidence: float) -> float:
    """Bound the share of bad files in the population from above, by the number of bad ones in the sample.

    That number is a sum of independent trials with unequal chances, or varies less than one: a draw without
    replacement is such a sum too (Vatutin and Mikhailov 1982). Such a sum falls to `bad` or less at most as often as a
    binomial variable of the same mean, as long as `bad` is no more than that mean less 1 (Hoeffding 1956, theorem 4,
    doi:10.1214/aoms/1177728178). So the exact one-sided bound of Clopper and Pearson (1934,
    doi:10.1093/biomet/26.4.404) holds for the mean chance over the *sample*. The share in the *population* weighs the
    strata by their own sizes; it is bounded by the worst way of spreading that mean over the strata, which in
    proportional samples changes nothing.
    The bound never says less than the confidence asked for; a small population makes it say more.

    Args:
        sizes: how many were drawn of each stratum.
        population: how many there are of each stratum.
        bad: how many of those drawn are bad.
        confidence: such as 0.95.

    Returns:
        A share of 0 to 1; 1 where nothing was drawn, and the share itself where everything was.
    """
    total, drawn = sum(population.values()), sum(sizes.values())
    if not drawn:
        return 1.0
    if drawn == total:
        return bad / total
    budget = mean_bound(drawn, bad, confidence) * drawn
    share = 0.0
    for stratum in sorted(sizes, key=lambda name: sizes[name] / population[name]):
        spent = min(budget, float(sizes[stratum]))
        share += population[stratum] / total * (spent / sizes[stratum] if sizes[stratum] else 1.0)
        budget -= spent
    return min(1.0, share)


def mean_bound(drawn: int, bad: int, confidence: float) -> float:
    """Compute Clopper and Pearson's bound, raised to where Hoeffding's theorem applies."""
    return min(1.0, max(upper_share(drawn, bad, confidence), (bad + 1) / drawn if bad else 0.0))
