"""The pictures' frame: axes, glyphs and tools of Bokeh. The page's script fills in what the view shows."""

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

LANE = 46
LABELS = 96
"""Pixels to the left of every picture, for names and numbers."""

NARROW_SEC = 0.2
"""Shortest view."""


def figures(duration: float, view: tuple[float, float], names: list[str], threshold: float, *, wave: bool) -> Any:  # noqa: ANN401  # Bokeh's JSON
    """The pictures of one page as an item for `Bokeh.embed.embed_item`.

    duration, view: seconds. names: of the lanes, top first.
    """
    shown = Range1d(
        start=view[0], end=view[1], bounds=(0, duration), min_interval=min(NARROW_SEC, duration), name="view"
    )
    span = Span(dimension="height", line_width=1)
    made = [_overview(duration), _lanes(shown, names), _scores(shown, threshold), *([_wave(shown)] if wave else [])]
    cursor = Span(dimension="height", location=None, line_width=2, name="cursor", line_dash="solid")
    for one in made[1:]:
        one.add_layout(cursor)
        one.add_tools(CrosshairTool(overlay=span))
    return json_item(column(*made, sizing_mode="stretch_width", spacing=2))


def _blank(name: str, height: int, x_range: Range1d, y_range: tuple[float, float]) -> figure:
    """An empty picture that pans and zooms in time only."""
    made = figure(
        name=f"chart_{name}",
        height=height,
        x_range=x_range,
        y_range=Range1d(start=y_range[0], end=y_range[1]),
        tools=[],
        toolbar_location=None,
        sizing_mode="stretch_width",
        min_border_left=LABELS,
        min_border_right=12,
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_alpha=0.4,
        output_backend="canvas",
    )
    made.grid.grid_line_alpha = 0.25
    return made


def _tools(made: figure) -> figure:
    pan, wheel = PanTool(dimensions="width"), WheelZoomTool(dimensions="width", maintain_focus=False)
    made.add_tools(pan, wheel)
    made.toolbar.active_drag, made.toolbar.active_scroll = pan, wheel
    return made


def _source(name: str, *columns: str) -> ColumnDataSource:
    return ColumnDataSource({column: [] for column in columns}, name=name)


def _bars(made: figure, name: str, color: str, *, alpha: float = 1.0) -> None:
    # No outlines and no hatching: at ten hours they would take most of the time that a picture takes.
    source = _source(name, "left", "right", "bottom", "top")
    made.quad(source=source, fill_color=color, fill_alpha=alpha, line_color=None)


def _overview(duration: float) -> figure:
    made = _blank("overview", 64, Range1d(start=0, end=duration), (0, 1))
    made.yaxis.visible = False
    made.ygrid.visible = False
    _bars(made, "overview", FLIP)
    _bars(made, "window", CANDIDATE, alpha=0.18)
    return made


def _lanes(shown: Range1d, names: list[str]) -> figure:
    rows = max(len(names), 1)
    made = _tools(_blank("lanes", LANE * rows + 34, shown, (-0.25, rows)))
    places = [rows - row - 0.5 for row in range(len(names))]
    made.yaxis.ticker = FixedTicker(ticks=places)
    made.yaxis.major_label_overrides = dict(zip(places, names, strict=True))
    made.ygrid.visible = False
    _bars(made, "flips", FLIP, alpha=0.3)
    _bars(made, "others", OTHER, alpha=0.3)
    _bars(made, "candidate", CANDIDATE)
    _bars(made, "reference", REFERENCE)
    _bars(made, "flip_strip", FLIP)
    _bars(made, "other_strip", OTHER)
    return made


def _scores(shown: Range1d, threshold: float) -> figure:
    made = _tools(_blank("scores", 150, shown, (-0.03, 1.03)))
    made.yaxis.ticker = FixedTicker(ticks=sorted({0.0, threshold, 1.0}))
    made.add_layout(Span(dimension="width", location=threshold, line_dash="dashed", line_width=1.5, name="decision"))
    made.line("x", "y", source=_source("score_reference", "x", "y"), color=REFERENCE, line_width=3, line_alpha=0.8)
    made.line("x", "y", source=_source("score_candidate", "x", "y"), color=CANDIDATE, line_width=1.5)
    return made


def _wave(shown: Range1d) -> figure:
    made = _tools(_blank("wave", 90, shown, (-1.05, 1.05)))
    made.yaxis.visible = False
    made.ygrid.visible = False
    made.varea("x", "y1", "y2", source=_source("wave", "x", "y1", "y2"), fill_color="#56B4E9")
    return made
