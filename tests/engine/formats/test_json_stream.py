"""A JSON object as a stream of its members."""

import io
import json
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engine.formats.json_stream import STREAMED, JsonStream

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def refuse(text: str) -> NoReturn:
    """Refuse a constant that JSON does not know."""
    raise ValueError(text)


@settings(deadline=None)
@given(
    document=st.dictionaries(st.text(max_size=5), values, max_size=4),
    elements=st.lists(values, max_size=5),
    chunk=st.sampled_from([1, 7, 64, 1 << 18]),
    indent=st.sampled_from([None, 2]),
)
def test_any_document_is_read_as_the_json_module_reads_it(
    document: dict[str, Any], elements: list[Any], chunk: int, indent: int | None
) -> None:
    """Where chunks end does not matter: numbers, escapes and words cut by them are read whole, and in order."""
    document |= {"listed": elements, "behind": 1}
    streamed: list[Any] = []
    stream = JsonStream(io.StringIO(json.dumps(document, indent=indent)), refuse, chunk=chunk)
    members = dict(stream.members("listed", streamed.append))

    assert members == {**document, "listed": STREAMED}
    assert list(members) == list(document)
    assert streamed == elements


def test_a_value_beyond_the_limit_is_refused() -> None:
    """A string as long as the file would have to be held whole."""
    stream = JsonStream(io.StringIO(json.dumps({"name": "a" * (1 << 22)})), refuse, max_value=1 << 20)
    with pytest.raises(ValueError, match="a value of more than 1 million characters"):
        dict(stream.members("listed", print))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "'{' is needed, at character 1"),
        ('{"a" 1}', "':' is needed, at character 6"),
        ('{"a": 1', "'}' is needed, at character 8"),
        ("{1: 2}", "a name in double quotes is needed"),
        ('{"a": 1} x', "text after the end of the object, at character 10"),
        ('{"a": NaN}', "NaN"),
        ('{"listed": [1 2]}', "']' is needed, at character 15"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(text: str, reason: str) -> None:
    """The reason and the character, counted from 1 over the whole text."""
    with pytest.raises(ValueError, match=reason):
        dict(JsonStream(io.StringIO(text), refuse, chunk=4).members("listed", print))
