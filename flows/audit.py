"""step4-audit: is a sample of what was published still what the reference says?

The steps are in `flows/recipes/audit.py`.
"""

from typing import Any

from prefect import flow

from flows.parameters import Folders, Sample, Seed
from flows.recipes.audit import audit_folders
from tasks.orchestration.failed_state import with_failed_state
from tasks.orchestration.run_names import audit_name


@flow(name="step4-audit", flow_run_name=audit_name, persist_result=False, validate_parameters=True)
def audit(
    folders: Folders,
    sample: Sample = 20,
    seed: Seed = None,
) -> dict[str, Any]:
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
    return with_failed_state(audit_folders)(folders, sample, seed)
