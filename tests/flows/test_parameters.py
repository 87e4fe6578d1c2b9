"""The form in the Prefect UI: what it shows, takes and refuses."""

from pathlib import Path
from typing import Any

import pytest
from deployments import DEPLOYMENTS, flow_of
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_parameter_has_a_title_and_help(name: str) -> None:
    """The form shows words, not the names of variables, in the flow's order."""
    fields = parameter_schema(flow_of(name)).properties

    assert [field for field, shown in fields.items() if shown["title"] == field or not shown.get("description")] == []
    assert [shown["position"] for shown in fields.values()] == list(range(len(fields)))


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"video": ""},
        {"video": "/a", "profile": "gpu"},
        {"video": "/a", "num_speakers": 0},
        {"video": "/a", "min_speakers": 0},
        {"video": "/a", "max_speakers": 256},
        {"video": "/a", "exclusive": "some"},
        {"video": "/a", "output": ""},
        {"video": "/a", "models": ""},
        {"video": "/a", "profile": ""},
        {"video": "/a", "reference": ""},
        {"video": 3},
        {"video": "/a", "audio_track": ""},
    ],
)
def test_the_form_refuses_what_the_flow_would(bad: dict[str, Any]) -> None:
    """Before a run exists: a missing video, an unknown profile, a number out of bounds, a wrong type."""
    schema = parameter_schema(flow_of("manual")).model_dump()

    with pytest.raises(Exception, match="Validation failed"):
        validate(bad, schema, raise_on_error=True)


@pytest.mark.parametrize("profile", ["gpu_fp32", "gpu_no_amp", "cpu_only", None])
def test_the_form_accepts_profiles_and_aliases(profile: str | None) -> None:
    """And no profile at all, which leaves the choice to the worker's AUDIO_PROFILE."""
    schema = parameter_schema(flow_of("manual")).model_dump()

    assert validate({"video": "/a.mp4", "profile": profile}, schema, raise_on_error=True) == []


@pytest.mark.parametrize("name", ["nightly", "audit", "after-step3-folder"])
@pytest.mark.parametrize("bad", [{"folders": [""]}, {"folders": ["/a", ""]}, {"folders": []}])
def test_no_folder_of_a_form_is_empty(name: str, bad: dict[str, Any]) -> None:
    """An empty text would mean the folder that the worker happens to be in."""
    schema = parameter_schema(flow_of(name)).model_dump()

    assert validate({"folders": ["/a", " "]}, schema, raise_on_error=True) == []
    with pytest.raises(Exception, match="Validation failed"):
        validate(bad, schema, raise_on_error=True)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("manual", {"video": "/a", "output": ""}),
        ("manual", {"video": ""}),
        ("nightly", {"folders": [""]}),
        ("nightly", {"folders": ["/a"], "output": ""}),
        ("nightly", {"folders": ["/a"], "deployment": ""}),
        ("audit", {"folders": ["/a", ""]}),
    ],
)
def test_the_flow_refuses_empty_texts_too(name: str, bad: dict[str, Any]) -> None:
    """A call without a form, or a deployment that does not enforce its schema, is no way around it."""
    with pytest.raises(ParameterTypeError):
        flow_of(name).validate_parameters(bad)


def test_what_is_accepted_arrives_as_it_was_meant() -> None:
    """Paths as paths, and no bounds where none were given."""
    sent = {"video": "/a.mp4", "output": "out", "min_speakers": 2, "exclusive": None}
    arrived = flow_of("manual").validate_parameters(sent)

    assert (arrived["video"], arrived["output"]) == (Path("/a.mp4"), Path("out"))
    assert (arrived["min_speakers"], arrived["max_speakers"], arrived["exclusive"]) == (2, None, None)
