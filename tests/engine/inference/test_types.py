"""Parameters of an inference, as a manifest and settings name them."""

import pytest

from profiles.settings import Configuration
from tasks.engine.inference.types import Parameters


def test_parameters_are_read_from_a_manifest() -> None:
    """Milliseconds become seconds, and what is none of an inference's business is left alone."""
    manifest = {"models": "m", "num_speakers": 2, "speech_threshold": 0.4, "min_speech_ms": 250, "json_gzip": True}

    assert Parameters.from_manifest(manifest) == Parameters("m", 2, 0.4, 0.25)


def test_settings_left_alone_give_the_defaults() -> None:
    """The two sets of defaults are one."""
    assert Parameters.from_manifest(Configuration.resolve({}, env_file=None).model_dump()) == Parameters()


def test_a_missing_parameter_is_an_error() -> None:
    """An answer must not rest on a guess."""
    with pytest.raises(KeyError, match="num_speakers"):
        Parameters.from_manifest({"models": "offline"})


def test_a_manifest_of_before_there_were_bounds_has_none() -> None:
    """What was published then can be audited still."""
    manifest = {"models": "m", "num_speakers": None, "speech_threshold": 0.5, "min_speech_ms": 300}

    assert Parameters.from_manifest(manifest) == Parameters("m")
    assert Parameters.from_manifest(manifest | {"min_speakers": 2}).min_speakers == 2
