"""The charts without data: axes, glyphs and tools of Bokeh. The page's script fills in what the view shows."""

from typing import Any

from bokeh.embed import json_item
from bokeh.layouts import column
from bokeh.models import (
    ColumnDataSource,
    CrosshairTool,
    FixedTicker,
    PanTool,
    Range1d,
    WheelZoomTool,
)
from bokeh.models.annotations import Span
from bokeh.plotting import figure

# Okabe and Ito's palette: told apart by people with any colour vision, on white and on black.
CANDIDATE, REFERENCE, FLIP, OTHER = "#0072B2", "#E69F00", "#D55E00", "#CC79A7"

LANE_PX = 46
"""Height of a speaker's lane."""

LABELS_PX = 96
"""Width to the left of every chart, for names and numbers."""

MIN_VIEW_SEC = 0.2
"""Shortest view."""


def chart_item(
    duration: float, view: tuple[float, float], names: list[str], threshold: float, *, wave: bool, compared: bool
) -> Any:  # noqa: ANN401  # Bokeh's JSON
    """Lay out the charts of one page, as an item for `Bokeh.embed.embed_item`.

    Args:
        duration: of the recording, seconds.
        view: start and end of what is shown first, seconds.
        names: of the lanes, top first.
        threshold: speech score of the decision, 0 to 1.
        wave: whether there is a waveform.
        compared: whether the overview marks what differs, or where there is one timeline who speaks.
    """
    time_range = Range1d(
        start=view[0], end=view[1], bounds=(0, duration), min_interval=min(MIN_VIEW_SEC, duration), name="view"
    )
    crosshair = Span(dimension="height", line_width=1)
    zoomed = [_lanes(time_range, names), _scores(time_range, threshold), *([_wave(time_range)] if wave else [])]
    cursor = Span(dimension="height", location=None, line_width=2, name="cursor", line_dash="solid")
    for chart in zoomed:
        chart.add_layout(cursor)
        chart.add_tools(CrosshairTool(overlay=crosshair))
    return json_item(
        column(_overview(duration, FLIP if compared else CANDIDATE), *zoomed, sizing_mode="stretch_width", spacing=2)
    )


def _blank(name: str, height: int, x_range: Range1d, y_range: tuple[float, float]) -> figure:
    """Make an empty chart without tools."""
    chart = figure(
        name=f"chart_{name}",
        height=height,
        x_range=x_range,
        y_range=Range1d(start=y_range[0], end=y_range[1]),
        tools=[],
        toolbar_location=None,
        sizing_mode="stretch_width",
        min_border_left=LABELS_PX,
        min_border_right=12,
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_alpha=0.4,
        output_backend="canvas",
    )
    chart.grid.grid_line_alpha = 0.25
    chart.axis.major_label_text_font_size = "13px"
    return chart


def _with_pan_and_zoom(chart: figure) -> figure:
    """Add panning and zooming in time only."""
    pan, wheel = PanTool(dimensions="width"), WheelZoomTool(dimensions="width", maintain_focus=False)
    chart.add_tools(pan, wheel)
    chart.toolbar.active_drag, chart.toolbar.active_scroll = pan, wheel
    return chart


def _source(name: str, *columns: str) -> ColumnDataSource:
    return ColumnDataSource({column: [] for column in columns}, name=name)


def _bars(chart: figure, name: str, color: str, *, alpha: float = 1.0) -> None:
    # No outlines and no hatching: at ten hours they would take most of the time that a chart takes.
    source = _source(name, "left", "right", "bottom", "top")
    chart.quad(source=source, fill_color=color, fill_alpha=alpha, line_color=None)


def _overview(duration: float, color: str) -> figure:
    chart = _blank("overview", 64, Range1d(start=0, end=duration), (0, 1))
    chart.yaxis.visible = False
    chart.ygrid.visible = False
    _bars(chart, "overview", color)
    _bars(chart, "window", CANDIDATE, alpha=0.18)
    return chart


def _lanes(time_range: Range1d, names: list[str]) -> figure:
    rows = max(len(names), 1)
    chart = _with_pan_and_zoom(_blank("lanes", LANE_PX * rows + 34, time_range, (-0.25, rows)))
    places = [rows - row - 0.5 for row in range(len(names))]
    chart.yaxis.ticker = FixedTicker(ticks=places)
    chart.yaxis.major_label_overrides = dict(zip(places, names, strict=True))
    chart.ygrid.visible = False
    _bars(chart, "flips", FLIP, alpha=0.3)
    _bars(chart, "others", OTHER, alpha=0.3)
    _bars(chart, "candidate", CANDIDATE)
    _bars(chart, "reference", REFERENCE)
    _bars(chart, "flip_strip", FLIP)
    _bars(chart, "other_strip", OTHER)
    return chart


def _scores(time_range: Range1d, threshold: float) -> figure:
    chart = _with_pan_and_zoom(_blank("scores", 150, time_range, (-0.03, 1.03)))
    chart.yaxis.ticker = FixedTicker(ticks=sorted({0.0, threshold, 1.0}))
    chart.add_layout(Span(dimension="width", location=threshold, line_dash="dashed", line_width=1.5, name="decision"))
    chart.line("x", "y", source=_source("score_reference", "x", "y"), color=REFERENCE, line_width=3, line_alpha=0.8)
    chart.line("x", "y", source=_source("score_candidate", "x", "y"), color=CANDIDATE, line_width=1.5)
    return chart


def _wave(time_range: Range1d) -> figure:
    chart = _with_pan_and_zoom(_blank("wave", 90, time_range, (-1.05, 1.05)))
    chart.yaxis.visible = False
    chart.ygrid.visible = False
    chart.varea("x", "y1", "y2", source=_source("wave", "x", "y1", "y2"), fill_color="#56B4E9")
    return chart
