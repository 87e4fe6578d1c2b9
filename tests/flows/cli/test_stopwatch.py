"""How the time of a run is split."""

from flows.cli.stopwatch import Stopwatch


def test_start_and_inference_are_told_apart() -> None:
    """Loading belongs to the start; the networks' first and last report bound the inference, whoever computes."""
    now: list[float] = [0.0]
    seen: list[object] = []
    watch = Stopwatch(lambda: now[0])
    report = watch.watching(lambda *told: seen.append(told))
    told = ((2, "candidate: loading models"), (15, "candidate: segmentation"), (19, "reference: embeddings"))
    for second, stage in told:
        now[0] = float(second)
        report(stage, 1, 1)
    now[0] = 20.0

    assert watch.split == " (inference 4.0 s, start 15.0 s)"
    assert watch.seconds == 20
    assert len(seen) == 3


def test_where_nothing_was_computed_nothing_is_split() -> None:
    """A publication that was found, or a video without sound."""
    assert Stopwatch().split == ""
