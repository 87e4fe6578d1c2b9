"""What is asked of a run, as a key: equal requests publish the same, whatever the video and the machine."""

from typing import Any

from profiles.settings import Configuration
from tasks.engine.core.choices import Reference
from tasks.engine.core.speaker_bounds import NAMES as SPEAKER_SETTINGS
from tasks.engine.devices.plan import arithmetic_key
from tasks.engine.inference.result_store import ENGINE_VERSION, digest, library_versions

SCHEMA_VERSION = 1

MEDIA_VERSION = 5
"""Raise it when other frames or other samples are read from the same file: what was published then is out of date."""


def request_key(configuration: Configuration, models: dict[str, str]) -> str:
    """Hash what is asked of a run, whatever the video and the machine: a batch knows it before any run starts.

    The device is left out: whichever computed a published timeline was held against the same reference, and the
    machine that plans a batch is not the one that computes.
    """
    return digest(asked_of(configuration, models))


def request_keys(configuration: Configuration, models: dict[str, str]) -> set[str]:
    """Return the request keys of the publications that answer a request."""
    return {request_key(accepted, models) for accepted in proofs_accepted(configuration)}


def proofs_accepted(configuration: Configuration) -> tuple[Configuration, ...]:
    """Return what may have been asked for instead: whoever accepts a proof by sample accepts a whole one."""
    if configuration.reference is not Reference.SAMPLED:
        return (configuration,)
    return configuration, configuration.model_copy(update={"reference": Reference.CPU})


def asked_of(configuration: Configuration, models: dict[str, str]) -> dict[str, Any]:
    """Return everything that is asked of a run and decides what it publishes."""
    return {
        "engine": ENGINE_VERSION,
        "schema": SCHEMA_VERSION,
        "models": models,
        "method": [configuration.engine, configuration.segmentation_step],
        "precision": arithmetic_key(configuration),
        "decisions": [configuration.speech_threshold, configuration.min_speech_ms],
        "speakers": [getattr(configuration, name) for name in SPEAKER_SETTINGS],
        "exclusive": configuration.exclusive,
        "media": [MEDIA_VERSION, configuration.audio_track, configuration.accept_truncated],
        "proof": [configuration.reference, configuration.on_drift],
        "json_gzip": configuration.json_gzip,
        "libraries": library_versions(),
    }
