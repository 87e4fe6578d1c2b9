"""The form in the Prefect UI: what it shows, takes and refuses."""

from pathlib import Path
from typing import Any

import pytest
from deployments import DEPLOYMENTS, flow_of
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from flows.parameters import explained_profiles
from profiles.profile import Profile, all_profiles
from profiles.settings import Environment, first_alias
from tasks.engine.core.choices import AS_CONFIGURED, OnDrift, Precision, Reference

CHOICES = {"profile", "reference", "on_drift", "exclusive", "accept_truncated"}


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
        {"video": "clip.mp4"},
        {"video": "/a", "output": "out"},
        {"video": "/a", "num_speakers": -1},
        {"video": "/a", "min_speakers": 1.5},
        {"video": "/a", "max_speakers": 256},
        {"video": "/a", "exclusive": "some"},
        {"video": "/a", "exclusive": True},
        {"video": "/a", "profile": ""},
        {"video": "/a", "reference": ""},
        {"video": "/a", "on_drift": None},
        {"video": 3},
    ],
)
def test_the_form_refuses_what_the_flow_would(bad: dict[str, Any]) -> None:
    """Before a run exists: a missing video, a relative path, an unknown profile, a number out of bounds."""
    schema = parameter_schema(flow_of("manual")).model_dump()

    with pytest.raises(Exception, match="Validation failed"):
        validate(bad, schema, raise_on_error=True)


@pytest.mark.parametrize("profile", ["gpu_fp32", "gpu_no_amp", "cpu_only", AS_CONFIGURED])
def test_the_form_accepts_profiles_and_aliases(profile: str) -> None:
    """And its first choice, which leaves it to the worker's AUDIO_PROFILE."""
    schema = parameter_schema(flow_of("manual")).model_dump()

    assert validate({"video": "/a.mp4", "profile": profile}, schema, raise_on_error=True) == []


@pytest.mark.parametrize("name", ["nightly", "audit", "after-step3-folder"])
@pytest.mark.parametrize("bad", [{"folders": [""]}, {"folders": ["/a", "inbox"]}, {"folders": []}])
def test_every_folder_of_a_form_is_a_whole_path(name: str, bad: dict[str, Any]) -> None:
    """An empty text and a relative path would depend on the folder that the worker happens to be in."""
    schema = parameter_schema(flow_of(name)).model_dump()

    assert validate({"folders": ["/a", "/b c"]}, schema, raise_on_error=True) == []
    with pytest.raises(Exception, match="Validation failed"):
        validate(bad, schema, raise_on_error=True)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("manual", {"video": ""}),
        ("nightly", {"folders": [""]}),
        ("nightly", {"folders": ["/a"], "deployment": ""}),
        ("audit", {"folders": ["/a", ""]}),
    ],
)
def test_the_flow_refuses_empty_texts_too(name: str, bad: dict[str, Any]) -> None:
    """A call without a form, or a deployment that does not enforce its schema, is no way around it."""
    with pytest.raises(ParameterTypeError):
        flow_of(name).validate_parameters(bad)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_no_field_asks_for_its_type(name: str) -> None:
    """The UI shows a union, and a default of null, as "Property is type None"."""
    schema = parameter_schema(flow_of(name)).model_dump()
    fields = schema["properties"]

    assert {field for field, shown in fields.items() if "type" not in shown} == set()
    assert {field for field, shown in fields.items() if shown.get("default") is None} == set(schema.get("required", []))


def test_choices_begin_as_the_worker_is_set_and_explain_themselves() -> None:
    """A form that preselected a value would override what the worker was configured to do."""
    fields = parameter_schema(flow_of("manual")).properties

    assert {field for field, shown in fields.items() if "enum" in shown} == CHOICES
    for field in CHOICES:
        assert fields[field]["default"] == fields[field]["enum"][0] == AS_CONFIGURED
        assert f"{AS_CONFIGURED}: " in fields[field]["description"]
    for vocabulary, field in ((Reference, "reference"), (OnDrift, "on_drift")):
        assert fields[field]["enum"][1:] == [*vocabulary]
        assert [one for one in vocabulary if f"{one}: {one.explanation}" not in fields[field]["description"]] == []


def test_unsafe_profiles_stand_last_and_are_called_so() -> None:
    """Whoever picks from the top picks something safe; a profile of one's own is marked by what it does."""
    mine = Profile(name="a_of_mine", description="Quick.", device="cpu", precision=Precision.NAIVE)
    names = list(explained_profiles([mine, *all_profiles().values()]).items())
    unsafe = [name for name, what in names if what.startswith("UNSAFE")]

    assert names[0][0] == "gpu_fp32"
    assert unsafe == [name for name, _ in names][-3:] == ["a_of_mine", "cpu_amp_unsafe", "gpu_amp_unsafe"]


@pytest.mark.parametrize(
    ("name", "asked", "answers"),
    [
        ("manual", {"video": "/a.mp4"}, {"refresh"}),
        ("nightly", {"folders": ["/a"]}, {"in_flight", "deployment", "here"}),
        ("audit", {"folders": ["/a"]}, {"sample"}),
    ],
)
def test_a_form_that_was_left_alone_asks_for_nothing(name: str, asked: dict[str, Any], answers: set[str]) -> None:
    """Every field's beginning is accepted, and arrives as no answer: settings and profile decide."""
    schema = parameter_schema(flow_of(name)).model_dump()
    sent = {field: shown["default"] for field, shown in schema["properties"].items() if field not in asked}

    assert validate({**asked, **sent}, schema, raise_on_error=True) == []
    arrived = flow_of(name).validate_parameters({**asked, **sent})
    assert {field for field, value in arrived.items() if value is not None} == asked.keys() | answers


def test_a_field_that_was_left_alone_names_the_setting_that_decides() -> None:
    """What a worker is set to is never called "not known" or "the rule's": the form names the variable."""
    fields = parameter_schema(flow_of("manual")).properties
    settings = {field: first_alias(field) for field in fields if field in Environment.model_fields}

    assert {"num_speakers", "min_speakers", "max_speakers", "audio_track"} < settings.keys()
    assert [name for field, name in settings.items() if name not in fields[field]["description"]] == []


def test_only_a_fields_own_beginning_is_no_answer() -> None:
    """An explicit 0 or no is an answer: no choice, text or seed takes it for nothing, and no count for a number."""
    arrived = flow_of("manual").validate_parameters({"video": "/a", "exclusive": False, "num_speakers": 0})
    seeds = [flow_of("audit").validate_parameters({"folders": ["/a"], "seed": seed})["seed"] for seed in (0, 7, -1)]

    assert (arrived["exclusive"], arrived["num_speakers"]) == (False, None)
    assert seeds == [0, 7, None]


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("manual", {"video": "/a", "audio_track": 0}),
        ("manual", {"video": "/a", "audio_track": 2}),
        ("manual", {"video": "/a", "models": 0}),
        ("manual", {"video": "/a", "reference": ["cpu"]}),
        ("manual", {"video": "/a", "profile": {}}),
        ("manual", {"video": "/a", "num_speakers": [0]}),
        ("manual", {"video": "/a", "num_speakers": False}),
        ("manual", {"video": "/a", "max_speakers": ""}),
        ("audit", {"folders": ["/a"], "seed": -2}),
        ("audit", {"folders": ["/a"], "seed": {}}),
    ],
)
def test_a_value_of_another_kind_is_refused_by_flow_and_form(name: str, bad: dict[str, Any]) -> None:
    """Never passed over, and never a TypeError: an index is sent as text, as the command line has it."""
    with pytest.raises(ParameterTypeError):
        flow_of(name).validate_parameters(bad)
    with pytest.raises(Exception, match="Validation failed"):
        validate(bad, parameter_schema(flow_of(name)).model_dump(), raise_on_error=True)


@pytest.mark.parametrize("name", ["manual", "nightly", "audit"])
def test_null_is_refused_for_every_field_alike(name: str) -> None:
    """A schema that took null would be a switch of types in the form. The flow itself takes it where it is called."""
    schema = parameter_schema(flow_of(name)).model_dump()
    optional = {field: None for field in schema["properties"] if field not in schema["required"]}

    refused = {error.path[0] for error in validate(optional, schema, ignore_required=True)}
    assert refused == set(optional)


def test_what_is_accepted_arrives_as_it_was_meant() -> None:
    """Paths as paths, and no bounds where none were given."""
    sent = {"video": "/a.mp4", "output": "/out", "min_speakers": 2, "exclusive": "yes", "on_drift": "warn"}
    arrived = flow_of("manual").validate_parameters(sent)

    assert (arrived["video"], arrived["output"]) == (Path("/a.mp4"), Path("/out"))
    assert (arrived["min_speakers"], arrived["max_speakers"], arrived["exclusive"]) == (2, None, True)
    assert arrived["on_drift"] is OnDrift.WARN
