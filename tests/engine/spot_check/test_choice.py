"""Which windows a sample draws."""

import numpy as np
import pytest

from tasks.engine.spot_check.choice import choose


@pytest.mark.parametrize("windows", [1, 2, 9, 10, 11, 111, 3591])
@pytest.mark.parametrize("overlap", [1, 2, 5, 10])
def test_every_second_is_seen(windows: int, overlap: int) -> None:
    """No gap is longer than a window, and both ends are drawn: for every length and every overlap."""
    for seed in range(20):
        chosen = choose(windows, overlap, (seed,))

        assert chosen[0] == 0
        assert chosen[-1] == windows - 1
        assert np.diff(chosen).max(initial=1) <= overlap
        assert np.diff(chosen).min(initial=1) >= 1


def test_an_hour_costs_about_a_ninth() -> None:
    """Of ten windows that see a second, one is drawn; gaps of nine and ten make it a little more."""
    assert len(choose(3591, 10, (1, 2))) / 3591 < 1 / 9


@pytest.mark.parametrize("batch", [2, 3, 4, 5, 8, 10, 16, 32])
def test_no_batch_size_hides_a_place(batch: int) -> None:
    """Within an hour every place in a batch is drawn: where only the first of each is right, the others are met."""
    places = {int(number) % batch for number in choose(3591, 10, (7, 8))}

    assert places == set(range(batch))


@pytest.mark.parametrize("windows", [111, 591])
def test_every_window_may_be_drawn(windows: int) -> None:
    """None is left out by the way that gaps fall: each about as often as the others, and both ends always."""
    draws = 4000
    times = np.bincount(np.concatenate([choose(windows, 10, (seed,)) for seed in range(draws)]), minlength=windows)
    inner = times[1:-1] / draws

    assert times[0] == times[-1] == draws
    assert inner.min() > 0.5 / 10
    assert inner.max() < 2 / 10


def test_seeds_decide() -> None:
    """Equal seeds draw equal windows, another fresh number draws others."""
    assert choose(3591, 10, (1, 2)).tolist() == choose(3591, 10, (1, 2)).tolist()
    assert choose(3591, 10, (1, 2)).tolist() != choose(3591, 10, (1, 3)).tolist()
