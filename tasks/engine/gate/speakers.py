"""DER and JER between two sets of speakers on the same frames, in both directions.

DER, the diarization error rate: NIST, The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan.
JER, the Jaccard error rate: Ryant et al., The Second DIHARD Diarization Challenge (DIHARD II), arXiv:1906.07839.
Definitions as in pyannote.metrics and dscore, at collar 0 and with overlapping speech scored. Both rates depend on
which side is called the reference: DER divides by its speech, JER averages over its speakers and does not see
speakers that only the other side has. So both directions are computed, and the worse counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Voices: TypeAlias = tuple[Sequence[str], NDArray[np.bool_]]
"""V names, and (frames, V) activity with one column per name, none of them empty."""


class Directions(NamedTuple):
    """An error rate in percent, scored both ways.

    Attributes:
        candidate_against_reference: the usual direction.
        reference_against_candidate: with the sides exchanged.
    """

    candidate_against_reference: float
    reference_against_candidate: float

    @property
    def worse(self) -> float:
        """The larger of the two."""
        return max(self)


@dataclass(frozen=True, slots=True)
class SpeakerAgreement:
    """Agreement of two sets of speakers; rates in percent.

    Attributes:
        der: diarization error rate.
        jer: Jaccard error rate.
        reference_count: speakers of the reference.
        candidate_count: speakers of the candidate.
        mapping: reference speaker to candidate speaker, for those who were paired.
    """

    der: Directions
    jer: Directions
    reference_count: int
    candidate_count: int
    mapping: dict[str, str]


def compare_speakers(reference: Voices, candidate: Voices) -> SpeakerAgreement:
    """Pair the speakers so that they share as many frames as possible, and score the rest as errors."""
    names, active = reference[0], np.asfortranarray(reference[1])
    other_names, other_active = candidate[0], np.asfortranarray(candidate[1])
    speech, other_speech = _frames_of(active), _frames_of(other_active)
    shared = _shared_frames(active, other_active)
    union = speech[:, None] + other_speech[None, :] - shared
    jaccard = shared / np.maximum(union, 1)
    pairs = best_pairs(shared, jaccard)
    correct = sum(int(shared[pair]) for pair in pairs)
    # Exact until the last division, so that a rate at its limit is not pushed over it by rounding.
    overlap = sum((Fraction(int(shared[pair]), int(union[pair])) for pair in pairs), Fraction(0))
    # A frame's errors (missed, false alarm, confusion) are the larger number of voices less the correct ones.
    wrong = int(np.maximum(_voices_per_frame(active), _voices_per_frame(other_active)).sum()) - correct
    return SpeakerAgreement(
        der=Directions(_der(wrong, int(speech.sum())), _der(wrong, int(other_speech.sum()))),
        jer=Directions(_jer(overlap, len(names), len(other_names)), _jer(overlap, len(other_names), len(names))),
        reference_count=len(names),
        candidate_count=len(other_names),
        mapping={names[row]: other_names[column] for row, column in pairs},
    )


def best_pairs(shared: NDArray[np.int64], jaccard: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Assign one-to-one pairs (row, column) with the largest sum of shared frames; pairs that share none are left out.

    Of assignments that share equally many frames the one with the larger sum of ``jaccard`` is taken, so that the
    result does not depend on the order of the speakers.

    Args:
        shared: (R, C) frames in which both speak.
        jaccard: (R, C) the same over the union, 0 to 1.
    """
    # All of jaccard together weighs less than one frame.
    weight = np.asarray(shared + jaccard / (min(shared.shape, default=0) + 1), np.float64)
    pairs = _obvious_pairs(weight)
    if pairs is None:
        # Imported where it is needed: it takes longer than the rest of a comparison.
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

        rows, columns = linear_sum_assignment(weight, maximize=True)
        pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
    return sorted(pair for pair in pairs if shared[pair])


def _obvious_pairs(weight: NDArray[np.float64]) -> list[tuple[int, int]] | None:
    """Find the assignment that gives every row, or every column, its own maximum: no assignment can have more."""
    for matrix, transposed in ((weight, False), (weight.T, True)):
        if not matrix.size:
            return []
        rows = np.flatnonzero(matrix.max(axis=1) > 0)
        choice = matrix[rows].argmax(axis=1)
        if len(set(choice.tolist())) == len(rows):
            pairs = zip(rows.tolist(), choice.tolist(), strict=True)
            return [(column, row) if transposed else (row, column) for row, column in pairs]
    return None


def _frames_of(active: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the (V,) frames of each speaker."""
    return np.array([np.count_nonzero(column) for column in active.T], dtype=np.int64)


def _shared_frames(active: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the (R, C) frames in which both speak, column by column: a product of floats would round long videos."""
    counts = [[np.count_nonzero(frames & other_frames) for other_frames in other.T] for frames in active.T]
    return np.array(counts, dtype=np.int64).reshape(active.shape[1], other.shape[1])


def _voices_per_frame(active: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Count the speakers in each frame, (frames,)."""
    voices = np.zeros(len(active), dtype=np.int16)
    for column in active.T:
        voices += column
    return voices


def _der(wrong: int, speech: int) -> float:
    if not speech:
        return 100.0 if wrong else 0.0
    return 100 * wrong / speech


def _jer(overlap: Fraction, speakers: int, others: int) -> float:
    """100 times 1 minus the mean Jaccard index of the speakers; one without partner counts fully wrong."""
    if not speakers:
        return 100.0 if others else 0.0
    return float(100 * (1 - overlap / speakers))
