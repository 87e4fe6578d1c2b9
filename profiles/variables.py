"""Variables that look like a setting and are none: each with the name that may have been meant."""

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from tasks.engine.system.env_file import problem_of

PREFIXES = ("AUDIO_", "PYANNOTE_", "STEP4_")

OF_DEPLOYMENTS = {
    "STEP4_DB_PASSWORD",
    "STEP4_GPUS",
    "STEP4_HOME",
    "STEP4_INBOX",
    "STEP4_MACHINE",
    "STEP4_POOL",
    "STEP4_RUNS",
    "STEP4_VIDEOS",
    "STEP4_WORKER",
}
"""What `deploy/`, `prefect.yaml` and `make` read."""

OF_PYANNOTE = {"PYANNOTE_CACHE", "PYANNOTE_DATABASE_CONFIG", "PYANNOTE_METRICS_ENABLED"}
"""What pyannote's own packages read."""


def misspelt_variables(env_file: Path = Path(".env")) -> Iterator[str]:
    """Yield a sentence for each variable of the environment and of `.env` that only looks like a setting."""
    set_here = {*os.environ, *_names_in(env_file)}
    suspects = sorted(name for name in set_here if name.upper().startswith(PREFIXES))
    if not suspects:
        return
    known = setting_names()
    for name in suspects:
        if name.upper() not in known | OF_DEPLOYMENTS | OF_PYANNOTE:
            meant = nearest(name.upper(), known)
            advice = f"is {meant} meant?" if meant else "`step4 config` shows what is in force"
            yield f"the variable {name} is no setting and changes nothing: {advice}"


def setting_names() -> set[str]:
    """Return every variable that a setting answers to."""
    from profiles.settings import Environment  # noqa: PLC0415  # a third of a second, where a variable is a suspect
    from tasks.engine.system.environment import MachineSettings  # noqa: PLC0415

    fields = (*Environment.model_fields.values(), *MachineSettings.model_fields.values())
    return {name for field in fields for name in _aliases(field)}


def nearest(name: str, known: set[str]) -> str | None:
    """Return the setting that a name may have been meant to be: the same behind another prefix, else the most alike."""
    behind = name.partition("_")[2]
    moved = sorted(f"{prefix}{behind}" for prefix in PREFIXES if f"{prefix}{behind}" in known)
    return next(iter([*moved, *get_close_matches(name, sorted(known), n=1)]), None)


def _names_in(env_file: Path) -> set[str]:
    if not env_file.is_file() or problem_of(env_file):
        return set()
    from dotenv import dotenv_values  # noqa: PLC0415

    return set(dotenv_values(env_file))


def _aliases(field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]
