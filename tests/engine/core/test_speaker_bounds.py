"""How many speakers were asked for, and what is said of how many were found."""

import pytest
from pyannote.audio.pipelines.utils.diarization import set_num_speakers

from tasks.engine.core.errors import UsageError
from tasks.engine.core.speaker_bounds import NAMES, SpeakerBounds


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        (SpeakerBounds(), ""),
        (SpeakerBounds(4), "4"),
        (SpeakerBounds(None, 2), "at least 2"),
        (SpeakerBounds(None, None, 5), "at most 5"),
        (SpeakerBounds(None, 2, 5), "at least 2 and at most 5"),
        (SpeakerBounds(3, 2, 5), "3"),
    ],
)
def test_what_was_asked_for_is_said(bounds: SpeakerBounds, said: str) -> None:
    """A number says all; without one the bounds that there are."""
    assert str(bounds) == said


@pytest.mark.parametrize(
    ("bounds", "found", "sentence"),
    [
        (SpeakerBounds(), 3, "3 found"),
        (SpeakerBounds(3), 3, "3 asked for, 3 found"),
        (SpeakerBounds(None, 2, 5), 2, "at least 2 and at most 5 asked for, 2 found"),
        (SpeakerBounds(None, None, 5), 0, "at most 5 asked for, 0 found"),
        (
            SpeakerBounds(6),
            4,
            "6 asked for, 4 found: too little speech of one person at a time to tell more apart",
        ),
        (SpeakerBounds(None, 2), 0, "at least 2 asked for, 0 found: nobody speaks"),
        (
            SpeakerBounds(None, None, 2),
            3,
            "at most 2 asked for, 3 found: the voices could not be brought down to fewer",
        ),
    ],
)
def test_what_was_found_is_said_beside_it(bounds: SpeakerBounds, found: int, sentence: str) -> None:
    """With a reason where it is not what was asked for, and only there."""
    assert bounds.sentence(found) == sentence
    assert bounds.met_by(found) == (":" not in sentence)


@pytest.mark.parametrize("asked", [(None, 3, 2), (3, 4, None), (3, None, 2), (2, 3, 4)])
def test_what_no_number_can_be_is_refused(asked: tuple[int | None, ...]) -> None:
    """With what was found and what would be accepted."""
    with pytest.raises(UsageError, match="min_speakers <= num_speakers <= max_speakers would be accepted"):
        SpeakerBounds(*asked)


@pytest.mark.parametrize("asked", [(None, None, None), (4, None, None), (None, 2, 5), (None, 3, 3), (3, 2, 5)])
def test_what_is_accepted_pyannote_accepts_and_means_the_same(asked: tuple[int | None, ...]) -> None:
    """Whatever number pyannote would allow meets what was asked, and no other does."""
    _, fewest, most = set_num_speakers(*asked)
    bounds = SpeakerBounds.of(dict(zip(NAMES, asked, strict=True)))

    assert [n for n in range(1, 9) if bounds.met_by(n)] == [n for n in range(1, 9) if fewest <= n <= most]
