"""What a reference by sample found, as rows of the page, in one language."""

from collections.abc import Mapping
from typing import Any

from tasks.engine.report.messages import Messages


def rows(messages: Messages, check: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Write each figure of a `SpotCheck` as it stands in a manifest or a drift report: its title and its value.

    Args:
        messages: of one language.
        check: `SpotCheck.to_dict()`; None where no reference by sample was asked for.

    Returns:
        Rows; none where there is nothing to tell, or what there is was not written by us.
    """
    if not isinstance(check, Mapping):
        return []
    try:
        return figures(messages, check)
    except (KeyError, TypeError, ValueError, AttributeError):  # not as we write them: nothing is claimed
        return []


def figures(messages: Messages, check: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Write the rows of a `SpotCheck` that is as it should be."""
    distance = check["largest_embedding_distance"]
    found = {
        "sample_windows": messages(
            "sample_counts", recomputed=len(check["recomputed"]), windows=check["windows"], beyond=check["beyond"]
        ),
        "sample_share": messages(
            "sample_bound",
            share=messages.percent(100 * check["share_at_most"]),
            confidence=messages.percent(100 * check["confidence"]),
        ),
        "sample_scores": messages.number(check["largest_score_difference"], 2),
        "sample_embeddings": messages.quantity(distance if distance is None else float(f"{distance:.2g}"), ""),
        "sample_decisions": f"{check['differing_decisions']} / {check['decisions']}",
        "sample_neighbours": ", ".join(neighbour(messages, name, worst) for name, worst in check["neighbours"].items())
        or messages("unmeasured"),
        "sample_outliers": numbers(messages, check.get("outliers", [])),
        "sample_regrouped": str(check.get("regrouped", 0)),
        "sample_grouping": messages("sample_proved" if check["proves_grouping"] else "sample_not_proved"),
        "sample_drawn": numbers(messages, check["recomputed"]),
        "sample_seed": str(check["seed"]),
    }
    return [(messages(title), value) for title, value in found.items()]


def neighbour(messages: Messages, name: str, worst: Mapping[str, Any]) -> str:
    """Write the worst window by one measure, and the line from which on it is computed again."""
    measure, value, line = messages.texts["neighbours"][name], worst["value"], worst["line"]
    return f"{measure} {messages.number(value, 2)} / {messages.number(line)}"


def numbers(messages: Messages, windows: list[int]) -> str:
    """List places of windows; a message for none."""
    return ", ".join(map(str, windows)) or messages("none")
