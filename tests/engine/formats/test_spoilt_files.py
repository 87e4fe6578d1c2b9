"""Whatever a file holds, nothing but the error tree comes out of what reads it."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readers import READERS, seed

FEW = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A whole file for every reader."""
    return {name: seed(name, tmp_path_factory.mktemp("seed")) for name in READERS}


@pytest.mark.parametrize("name", READERS)
def test_whole_files_are_read(name: str, seeds: dict[str, bytes], tmp_path: Path) -> None:
    """The seeds are what the readers are for, so that what follows starts from inside them."""
    assert READERS[name].survives(seeds[name], tmp_path)


@FEW
@given(content=st.binary(max_size=200))
@pytest.mark.parametrize("name", READERS)
def test_any_bytes(name: str, content: bytes, tmp_path: Path) -> None:
    """Random bytes."""
    READERS[name].survives(content, tmp_path)


@FEW
@given(data=st.data())
@pytest.mark.parametrize("name", READERS)
def test_spoilt_files(name: str, data: st.DataObject, seeds: dict[str, bytes], tmp_path: Path) -> None:
    """Whole files with bytes changed, removed and inserted."""
    content = bytearray(seeds[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 8))
        content[at : at + length] = data.draw(st.binary(max_size=8))
    READERS[name].survives(bytes(content), tmp_path)


@FEW
@given(data=st.data())
@pytest.mark.parametrize("name", ["audio_json", "manifest", "probe"])
def test_json_of_another_shape(name: str, data: st.DataObject, seeds: dict[str, bytes], tmp_path: Path) -> None:
    """Whole documents with any value in the place of another, at any depth."""
    import json

    line, mark, rest = seeds[name].partition(b"\n") if name == "probe" else (seeds[name], b"", b"")
    document = json.loads(line)
    place = document
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if data.draw(st.booleans()) or not isinstance(place[key], dict | list) or not place[key]:
            place[key] = data.draw(json_values)
            break
        place = place[key]
    READERS[name].survives(json.dumps(document).encode() + mark + rest, tmp_path)


FINDINGS = {
    # What the fuzzer found: reader, pattern of what to change in a whole file, into what.
    "a column whose name is not UTF-8": ("turns", rb"mean_score", b"mean_sco\x8c\x9a"),
    # Central directory header: signature, versions that made it and are needed (Pythons differ), flags, method.
    "a method of compression that is not known": ("store", rb"(?s)(PK\x01\x02.{6})\0\0", b"\\1\x63\0"),
}


@pytest.mark.parametrize("finding", FINDINGS)
def test_findings_of_the_fuzzer(finding: str, seeds: dict[str, bytes], tmp_path: Path) -> None:
    """What once came out as something else is now of the error tree, or counts as absent."""
    name, old, new = FINDINGS[finding]
    spoilt, times = re.subn(old, new, seeds[name])
    assert times
    READERS[name].survives(spoilt, tmp_path)
