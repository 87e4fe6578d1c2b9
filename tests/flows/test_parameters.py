"""The form in the Prefect UI: what it shows, takes and refuses."""

from typing import Any

import pytest
from deployments import DEPLOYMENTS, flow_of
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_parameter_has_a_title_and_help(name: str) -> None:
    """The form shows words, not the names of variables, in the flow's order."""
    fields = parameter_schema(flow_of(name)).properties

    assert [field for field, shown in fields.items() if shown["title"] == field or not shown.get("description")] == []
    assert [shown["position"] for shown in fields.values()] == list(range(len(fields)))


@pytest.mark.parametrize(
    "bad", [{}, {"video": ""}, {"video": "/a", "profile": "gpu"}, {"video": "/a", "num_speakers": 0}, {"video": 3}]
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
