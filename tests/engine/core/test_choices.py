"""Closed vocabularies."""

import json

import pytest

from tasks.engine.core.choices import FAILED, AutocastDtype, Engine, Explained, OnDrift, Precision, Reference, Verdict


def test_words_are_those_of_files_and_options() -> None:
    """Files, forms and scripts hold these words: a renamed member must not change them."""
    assert [*Reference] == ["cpu", "sampled", "stored", "none"]
    assert [*OnDrift] == ["fail", "substitute", "warn"]
    assert [*Engine] == ["exact", "shared"]
    assert [*Precision] == ["fp32", "mixed", "naive"]
    assert [*AutocastDtype] == ["float16", "bfloat16"]
    assert json.dumps([*Verdict]) == json.dumps(
        ["coherent", "drift", "not_comparable", "reference_not_repeatable", "reference", "unverified"]
    )


@pytest.mark.parametrize("choice", [*Reference, *OnDrift])
def test_what_people_choose_explains_itself(choice: Explained) -> None:
    """Form and docs take the explanation from the choice, which is still its own word."""
    assert choice == type(choice)(choice.value) == str(choice)
    assert choice.explanation[0].islower()
    assert not choice.explanation.endswith(".")


def test_a_failed_verdict_is_one_that_compared_and_did_not_agree() -> None:
    """What was never compared did not fail; what agreed did not either."""
    assert set(Verdict) - FAILED == {Verdict.COHERENT, Verdict.REFERENCE, Verdict.UNVERIFIED}
