"""The stages of one diarization."""

from tasks.engine.core.stages import Stage


def test_stages_stand_in_the_order_of_computation() -> None:
    """Fault localization names the first stage that differs: the order of the members is its order."""
    assert [stage.name for stage in Stage] == [
        "SAMPLES",
        "FRONT_END",
        "SCORES",
        "DECISIONS",
        "EMBEDDINGS",
        "CLUSTERS",
        "FRAMES",
    ]
