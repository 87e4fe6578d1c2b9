"""The charts without data: what the page's script looks up by name is there."""

import json
from typing import Any

import pytest

from tasks.engine.report.charts import FLIP, MIN_VIEW_SEC, chart_item


def models(item: Any) -> list[dict[str, Any]]:
    """Every model of Bokeh's document, at any depth."""
    if isinstance(item, dict):
        own = [item] if item.get("type") == "object" else []
        return own + [model for value in item.values() for model in models(value)]
    return [model for value in item for model in models(value)] if isinstance(item, list) else []


def named(item: Any) -> dict[str, dict[str, Any]]:
    """Attributes of the models that have a name."""
    attributes = [model.get("attributes", {}) for model in models(item)]
    return {str(entry["name"]): entry for entry in attributes if entry.get("name")}


@pytest.mark.parametrize("wave", [True, False])
def test_a_page_has_a_waveform_only_with_sound(wave: bool) -> None:
    """The other three charts are always there, with the sources that the script fills."""
    names = set(named(chart_item(60.0, (0.0, 30.0), ["A", "B"], 0.5, wave=wave, compared=True)))

    assert {"chart_overview", "chart_lanes", "chart_scores"} <= names
    assert {"overview", "window", "flips", "others", "candidate", "reference", "cursor", "view"} <= names
    assert ("chart_wave" in names) == ("wave" in names) == wave


def test_the_view_opens_where_it_was_told_and_stays_inside() -> None:
    """Seconds; it cannot leave the recording or shrink to nothing."""
    view = named(chart_item(60.0, (10.0, 40.0), [], 0.5, wave=False, compared=True))["view"]

    assert (view["start"], view["end"], view["min_interval"]) == (10.0, 40.0, MIN_VIEW_SEC)
    assert "[0, 60.0]" in json.dumps(view["bounds"])


def test_a_recording_shorter_than_the_shortest_view_is_shown_whole() -> None:
    """A tenth of a second is a recording too."""
    assert named(chart_item(0.1, (0.0, 0.1), ["A"], 0.5, wave=True, compared=True))["view"]["min_interval"] == 0.1


def test_lanes_grow_with_the_speakers() -> None:
    """Twelve names must be as readable as two."""
    heights = [
        named(chart_item(60.0, (0, 60), names, 0.5, wave=False, compared=True))["chart_lanes"]["height"]
        for names in ([], ["A"], list("ABCDEFGHIJKL"))
    ]

    assert heights[0] == heights[1]
    assert heights[2] > 10 * (heights[1] - 34)


@pytest.mark.parametrize("compared", [True, False])
def test_the_overview_marks_what_there_is_to_see(compared: bool) -> None:
    """Differences in red where two timelines were compared; where there is one, speech in the timeline's own colour."""
    item = json.dumps(chart_item(60.0, (0.0, 30.0), ["A"], 0.5, wave=False, compared=compared))
    overview = item.split('"chart_overview"')[1].split('"chart_lanes"')[0]

    assert (FLIP in overview) == compared
