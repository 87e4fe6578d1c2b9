"""Messages of the page: complete in both languages, with numbers as each writes them."""

import math
import string

import pytest

from tasks.engine.core.choices import Verdict
from tasks.engine.core.stages import Stage
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.report.messages import LANGUAGES, load_messages


def fields(texts: dict[str, object], path: str = "") -> dict[str, set[str]]:
    """Every key, with the names in braces of its text."""
    keys: dict[str, set[str]] = {}
    for key, value in texts.items():
        if isinstance(value, dict):
            keys |= fields(value, f"{path}{key}.")
        else:
            keys[path + key] = {name for _, name, _, _ in string.Formatter().parse(str(value)) if name}
    return keys


def test_both_languages_say_everything() -> None:
    """The same keys, the same fields in each; every criterion, stage and verdict has words."""
    english, french = (load_messages(language).texts for language in LANGUAGES)
    bound = {"bound", "limit"}
    known = {key: names - bound for key, names in fields(english).items()}

    assert known == {key: names - bound for key, names in fields(french).items()}
    assert set(english["titles"]) == set(english["details"]) == set(Tolerance.__dataclass_fields__)
    assert set(english["stages"]) == {str(stage) for stage in Stage}
    assert {str(verdict) for verdict in Verdict} - {"reference"} <= set(english)


@pytest.mark.parametrize(
    ("value", "unit", "english", "french"),
    [
        (1.5, "s", "1.5 s", "1,5 s"),
        (0.123456, "", "0.1235", "0,1235"),
        (2, "speakers", "2 speakers", "2 locuteurs"),
        (math.inf, "s", "beyond any limit", "au-delà de toute limite"),
        (None, "s", "not measured", "non mesuré"),
    ],
)
def test_a_quantity_is_written_as_its_reader_writes_it(
    value: float | None, unit: str, english: str, french: str
) -> None:
    """Decimal mark, unit, and words for what is no number."""
    assert [load_messages(language).quantity(value, unit) for language in LANGUAGES] == [english, french]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0:00:00.000"), (3599.9996, "1:00:00.000"), (36_061.5, "10:01:01.500"), (None, "no speech")],
)
def test_an_instant_is_written_to_the_millisecond(seconds: float | None, text: str) -> None:
    """Rounded before it is split, so that no minute has sixty seconds."""
    assert load_messages("en").clock(seconds) == text


def test_an_unknown_message_or_a_missing_field_is_an_error() -> None:
    """A page with a hole in it would be worse than none."""
    with pytest.raises(KeyError):
        load_messages("en")("no such message")
    with pytest.raises(KeyError):
        load_messages("en")("at_most")
