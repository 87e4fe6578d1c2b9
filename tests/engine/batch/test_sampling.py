"""The sample of an audit, and what it may say about what was not looked at."""

from itertools import product
from pathlib import Path

import pytest
from scipy.stats import hypergeom

from tasks.engine.batch.sampling import allocate, draw, upper_bound

GPU, CPU, RARE = ("NVIDIA T4", "gpu_fp32"), ("EPYC", "cpu"), ("NVIDIA T4", "gpu_optimized")


def published(**counts: int) -> list[tuple[tuple[str, str], Path]]:
    """Manifests by stratum."""
    strata = {"gpu": GPU, "cpu": CPU, "rare": RARE}
    return [(strata[name], Path(f"/{name}/{n}_step4.json")) for name, count in counts.items() for n in range(count)]


def test_a_seed_repeats_a_draw_and_another_seed_does_not() -> None:
    """Whoever doubts a finding draws the same files again, in whatever order the folders are read."""
    manifests = published(gpu=60, cpu=40)

    assert draw(manifests, 10, 1) == draw(manifests[::-1], 10, 1)
    assert draw(manifests, 10, 1).drawn != draw(manifests, 10, 2).drawn


def test_a_draw_is_proportional_and_leaves_no_stratum_out() -> None:
    """Largest remainder, after one of each."""
    assert allocate({GPU: 60, CPU: 30, RARE: 1}, 10) == {GPU: 6, CPU: 3, RARE: 1}
    assert allocate({GPU: 60, CPU: 40}, 10) == {GPU: 6, CPU: 4}
    assert allocate({GPU: 5, CPU: 2}, 100) == {GPU: 5, CPU: 2}
    assert allocate({GPU: 5, CPU: 2}, 1) == {GPU: 1, CPU: 0}
    assert allocate({}, 5) == {}


def test_no_file_is_drawn_twice() -> None:
    """Without replacement, and from every stratum what was allotted."""
    sample = draw(published(gpu=60, cpu=30, rare=1), 20, 3)
    paths = [path for drawn in sample.drawn.values() for path in drawn]

    assert len(paths) == len(set(paths)) == 20
    assert sample.sizes == allocate(sample.population, 20)


@pytest.mark.parametrize(("drawn", "bad", "bound"), [(59, 0, 0.0495), (20, 0, 0.1391), (20, 1, 0.2161), (20, 20, 1.0)])
def test_one_stratum_has_the_bound_of_clopper_and_pearson(drawn: int, bad: int, bound: float) -> None:
    """Known values: none bad among 59 is the classical 5 %."""
    assert upper_bound({GPU: drawn}, {GPU: 10_000}, bad, 0.95) == pytest.approx(bound, abs=1e-4)


def test_a_proportional_sample_of_strata_has_the_bound_of_one() -> None:
    """Stratifying costs nothing; an uneven sample costs something."""
    alone = upper_bound({GPU: 20}, {GPU: 200}, 1, 0.95)

    assert upper_bound({GPU: 10, CPU: 10}, {GPU: 100, CPU: 100}, 1, 0.95) == pytest.approx(alone)
    assert upper_bound({GPU: 10, CPU: 10}, {GPU: 150, CPU: 50}, 1, 0.95) > alone


def test_nothing_drawn_says_nothing_and_everything_drawn_says_all() -> None:
    """The extremes are exact."""
    assert upper_bound({}, {}, 0, 0.95) == 1
    assert upper_bound({GPU: 0, CPU: 1}, {GPU: 10, CPU: 1}, 0, 0.95) > 0.9
    assert upper_bound({GPU: 8, CPU: 2}, {GPU: 8, CPU: 2}, 3, 0.95) == 0.3


@pytest.mark.parametrize("sizes", [(4, 2), (3, 3), (1, 5), (6, 1), (2, 0)])
@pytest.mark.parametrize("population", [(12, 6), (8, 8), (20, 5)])
def test_the_bound_holds_as_often_as_it_says(sizes: tuple[int, int], population: tuple[int, int]) -> None:
    """Exact coverage over every way two finite strata can be bad: never under the confidence, here 0.9."""
    drawn = dict(zip((GPU, CPU), sizes, strict=True))
    whole = dict(zip((GPU, CPU), population, strict=True))
    bounds = [upper_bound(drawn, whole, bad, 0.9) for bad in range(sum(sizes) + 1)]
    coverage = []
    for bad in product(range(population[0] + 1), range(population[1] + 1)):
        share = sum(bad) / sum(population)
        chances = [hypergeom.pmf(range(n + 1), size, b, n) for n, size, b in zip(sizes, population, bad, strict=True)]
        coverage.append(
            sum(
                p * q
                for (i, p), (j, q) in product(enumerate(chances[0]), enumerate(chances[1]))
                if bounds[i + j] >= share - 1e-12
            )
        )

    assert min(coverage) >= 0.9 - 1e-9
