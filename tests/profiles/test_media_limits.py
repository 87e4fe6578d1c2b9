"""Limits on media as environment variables: one for each, with its own default and description."""

from dataclasses import fields

import pytest

from profiles.media_limits import LimitVariables
from profiles.settings import Configuration
from tasks.engine.core.errors import UsageError
from tasks.engine.media.limits import DESCRIPTIONS, MediaLimits

pytestmark = pytest.mark.usefixtures("clean_settings")

VARIABLES = {name: str(field.validation_alias.choices[0]) for name, field in LimitVariables.model_fields.items()}  # type: ignore[union-attr]


def test_every_limit_has_a_variable_and_its_description() -> None:
    """A limit that is added to the media without a variable would be out of an operator's reach."""
    described = {name: field.description for name, field in LimitVariables.model_fields.items()}

    assert described == DESCRIPTIONS
    assert list(described) == [field.name for field in fields(MediaLimits)]


@pytest.mark.parametrize(("name", "variable"), VARIABLES.items())
def test_a_variable_sets_its_own_limit_alone(name: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others keep their defaults."""
    monkeypatch.setenv(variable, "7")
    limits = Configuration.resolve().limits

    assert getattr(limits, name) == 7
    changed = [
        field.name for field in fields(limits) if getattr(limits, field.name) != getattr(MediaLimits(), field.name)
    ]
    assert changed == [name]


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_what_is_no_limit_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named with what was found."""
    monkeypatch.setenv("STEP4_MAX_HOURS", value)

    with pytest.raises(UsageError, match=f"STEP4_MAX_HOURS = '{value}'"):
        Configuration.resolve()
