"""What is asked of a run, as a key."""

import pytest

from profiles.settings import Configuration
from tasks.engine.core.choices import Reference
from tasks.requests import request_key, request_keys

pytestmark = pytest.mark.usefixtures("clean_settings")

MODELS = {"model.bin": "0" * 64}


def keys(reference: Reference) -> set[str]:
    """Of the publications that answer a request for this proof."""
    return request_keys(Configuration.resolve({"reference": reference}), MODELS)


@pytest.mark.parametrize("reference", Reference)
def test_a_request_is_answered_by_its_own_proof_and_a_sample_by_a_whole_one(reference: Reference) -> None:
    """Nobody who asked for the whole is given a sample; whoever asked for a sample may be given the whole."""
    own = request_key(Configuration.resolve({"reference": reference}), MODELS)
    whole = {request_key(Configuration.resolve({"reference": "cpu"}), MODELS)}

    assert keys(reference) == {own} | (whole if reference is Reference.SAMPLED else set())
