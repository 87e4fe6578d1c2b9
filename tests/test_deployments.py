"""prefect.yaml and automations.yaml say only what Prefect understands: it ignores a misspelt key without a word."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import yaml
from deployments import AUTOMATIONS, DEPLOYMENTS, FILE, TRIGGERS, flow_of
from paths import ROOT
from prefect.cli.deploy._models import (
    ConcurrencyLimitSpec,
    DeploymentConfig,
    PrefectYamlModel,
    RawScheduleConfig,
    WorkPoolConfig,
)
from prefect.events.schemas.automations import AutomationCore
from prefect.events.schemas.deployment_triggers import DeploymentTriggerTypes
from prefect.server.events.actions import RunDeployment
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel, TypeAdapter, ValidationError

FLOW_NAMES = {
    name: "step4-" + one["entrypoint"].removeprefix("flows/").split(".py")[0].replace("_", "-")
    for name, one in DEPLOYMENTS.items()
}


def unknown_keys(said: dict[str, Any], model: type[BaseModel]) -> set[str]:
    """Keys that a model of Prefect's does not have."""
    known = {field.alias or name for name, field in model.model_fields.items()}
    return set(said) - known


def unknown_to_prefect(file: dict[str, Any]) -> Iterator[str]:
    """Every misspelt key of a prefect.yaml. `definitions` is where Prefect's own examples keep YAML anchors."""
    yield from unknown_keys(file, PrefectYamlModel) - {"definitions"}
    for one in file["deployments"]:
        yield from unknown_keys(one, DeploymentConfig)
        yield from unknown_keys(one.get("work_pool", {}), WorkPoolConfig)
        yield from unknown_keys(one.get("concurrency_limit", {}), ConcurrencyLimitSpec)
        for schedule in one.get("schedules", []):
            yield from unknown_keys(schedule, RawScheduleConfig)
        for trigger in one.get("triggers", []):
            yield from unknown_keys(trigger, type(TypeAdapter(DeploymentTriggerTypes).validate_python(trigger)))


def parameters_said(deployment: dict[str, Any]) -> dict[str, Any]:
    """Every parameter that a deployment, its schedules and its triggers set."""
    sources = [deployment, *deployment.get("schedules", []), *deployment.get("triggers", [])]
    return {name: value for source in sources for name, value in source.get("parameters", {}).items()}


def test_no_key_is_misspelt() -> None:
    """`concurency_limit: 1` would deploy without a limit."""
    assert list(unknown_to_prefect(FILE)) == []


@pytest.mark.parametrize("place", ["concurency_limit", "enforce_parameters", "trigger"])
def test_a_misspelt_key_is_found(place: str) -> None:
    """The check above can fail."""
    spoilt = {"deployments": [{**DEPLOYMENTS["manual"], place: 1}]}

    assert list(unknown_to_prefect(spoilt)) == [place]


def test_every_deployment_of_the_documentation_is_there() -> None:
    """Scheduled, by hand, after STEP3; and what watches over them."""
    expected = {"nightly", "manual", "after-step3", "after-step3-folder", "selfcheck", "audit", "alert"}

    assert set(DEPLOYMENTS) == expected
    assert all(one["enforce_parameter_schema"] for one in DEPLOYMENTS.values())
    assert {one["work_pool"]["name"] for one in DEPLOYMENTS.values()} == {"step4-gpu", "step4-cpu"}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_parameters_are_the_flows_own(name: str) -> None:
    """What a deployment, a schedule or a trigger sets is a parameter of its flow, and every required one is set."""
    schema = parameter_schema(flow_of(name))
    said = set(parameters_said(DEPLOYMENTS[name]))

    assert said <= set(schema.properties)
    if name in TRIGGERS or "schedules" in DEPLOYMENTS[name]:
        assert set(schema.required or []) <= said


@pytest.mark.parametrize("name", TRIGGERS)
def test_triggers_cannot_set_themselves_off(name: str) -> None:
    """Each says whose events it waits for."""
    for trigger in TRIGGERS[name]:
        read = TypeAdapter(DeploymentTriggerTypes).validate_python(trigger)

        assert read.match.root or read.match_related
        assert read.expect


@pytest.mark.parametrize("name", TRIGGERS)
def test_triggers_set_parameters_by_one_expression_each(name: str) -> None:
    """Prefect keeps an expression that stands alone, and drops one inside a list: the list would arrive empty."""
    values = [value for trigger in TRIGGERS[name] for value in trigger["parameters"].values()]

    assert [value for value in values if not re.fullmatch(r"\{\{ [^{}]+ \}\}", str(value))] == []


@pytest.mark.parametrize("automation", AUTOMATIONS, ids=lambda one: one["name"])
def test_automations_are_prefects(automation: dict[str, Any]) -> None:
    """Every key is one that Prefect reads, and the file is what `prefect automation create` takes."""
    read = AutomationCore.model_validate(automation)

    assert unknown_keys(automation, AutomationCore) == set()
    assert unknown_keys(automation["trigger"], type(read.trigger)) == set()
    for said, action in zip(automation["actions"], read.actions, strict=True):
        assert unknown_keys(said, type(action)) == set()


def test_a_misspelt_schedule_is_refused() -> None:
    """Prefect's own model of a schedule forbids unknown keys, and this holds it to that."""
    with pytest.raises(ValidationError):
        RawScheduleConfig.model_validate({"cron": "0 2 * * *", "time_zone": "Europe/Paris"})


def test_the_page_for_operators_names_everything() -> None:
    """Each deployment, event, automation's file and setting stands in docs/prefect.md."""
    page = (ROOT / "docs" / "prefect.md").read_text(encoding="utf-8")
    events = re.findall(
        r"^    (step4\.\S+)", (ROOT / "tasks" / "orchestration" / "events.py").read_text(encoding="utf-8"), re.MULTILINE
    )
    names = [f"{flow_name}/{name}`" for name, flow_name in FLOW_NAMES.items()]

    assert len(events) == 4
    assert [name for name in [*names, *events, "automations.yaml", "STEP4_GPU_SLOT"] if name not in page] == []


def rendered(automation: str, event: ReceivedEvent) -> dict[str, Any]:
    """What an automation starts its deployment with after an event, as Prefect's own templates make it."""
    action = RunDeployment(deployment_id=uuid4(), parameters=TRIGGERS[automation][0]["parameters"])
    # As much of a triggered action as its templates are shown.
    triggered = SimpleNamespace(
        triggering_event=event,
        triggering_labels={},
        automation=None,
        firing=None,
        all_firings=list,
        all_events=lambda: [event],
    )
    return asyncio.run(action.render_parameters(triggered))


@pytest.mark.parametrize(
    "video",
    [
        "/srv/{{ flow_run.name }}/clip.mp4",
        "/srv/{clip}/a b.mp4",
        "/srv/🎬 famille 👨‍👩‍👧/Zoë.mp4",
        "/srv/{% if 1 %}x{% endif %}.mp4",
        "/srv/{# no comment #}.mp4",
        "/srv/quo\"te's \\ back.mp4",
        "/srv/line\nbreak.mp4",
    ],
)
def test_a_path_of_step3_arrives_as_it_was_sent(video: str) -> None:
    """Braces and emoji in an event's path are text to Prefect's own templates, not more templates."""
    event = ReceivedEvent(
        id=uuid4(),
        event="step3.scenes.ready",
        resource={"prefect.resource.id": "step3.video.clip"},
        payload={"video": video},
        occurred=datetime.now(UTC),
    )

    assert rendered("after-step3", event) == {"video": video}


def test_the_notification_that_waits_to_be_switched_on_is_understood() -> None:
    """Without its comment signs it is an automation like the others, with no key misspelt."""
    text = (ROOT / "automations.yaml").read_text(encoding="utf-8")
    _, _, commented = text.partition("  # - name: step4-failed\n")
    lines = ["- name: step4-failed", *(line.removeprefix("  # ") for line in commented.splitlines())]
    (entry,) = yaml.safe_load("\n".join(lines))

    assert unknown_keys(entry, AutomationCore) == set()
    assert AutomationCore.model_validate(entry).actions[0].type == "send-notification"


@pytest.mark.parametrize("related", [True, False])
def test_the_alert_is_told_which_event_started_nothing(related: bool) -> None:
    """Prefect names it among the related resources; where it does not, the alert is started all the same."""
    triggering = {"prefect.resource.id": "prefect.event.1", "prefect.resource.role": "triggering-event"}
    other = {"prefect.resource.id": "prefect.deployment.2", "prefect.resource.role": "target"}
    event = ReceivedEvent(
        id=uuid4(),
        event="prefect.automation.action.failed",
        resource={"prefect.resource.id": "prefect.automation.3", "prefect.resource.name": "after-step3"},
        related=[other, *([triggering] if related else [])],
        payload={"reason": "no video"},
        occurred=datetime.now(UTC),
    )
    told = rendered("alert", event)

    assert told == {
        "automation": "after-step3",
        "reason": "no video",
        "event": "prefect.event.1" if related else "",
    }
