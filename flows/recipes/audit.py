"""Is a sample of what was published still what the reference says?

    draw (seeded, by device and profile) → compute the reference afresh → gate → share of bad files at most → report

Nothing published is changed: what to do about a finding is for people to decide.
"""

from pathlib import Path
from typing import Any

from tasks.audit import conclude_task, draw_task, examine_task
from tasks.engine.dependencies import current_dependencies


def audit_folders(folders: list[Path], sample: int = 20, seed: int | None = None) -> dict[str, Any]:
    """Compute the CPU reference of a sample of published timelines again and hold them against it.

    Args:
        folders: where to look for published timelines, everything below included.
        sample: how many timelines to draw, spread over devices and profiles.
        seed: repeats a draw; today's date where not given.

    Returns:
        Counts, an upper bound on the share of bad timelines, and the findings, the worst first.

    Raises:
        BatchError: a timeline drifted, was changed, or could not be examined.
    """
    dependencies = current_dependencies()
    drawn = draw_task(folders, sample, seed, dependencies.now)
    return dict(conclude_task(drawn, examine_task(drawn, dependencies)))
