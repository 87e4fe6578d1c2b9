"""step4-selfcheck: does this machine's accelerator agree with its CPU under a profile?

The steps are in `flows/recipes/selfcheck.py`.
"""

from typing import Any

from prefect import flow

from flows.parameters import Fresh, Models, ProfileName
from flows.recipes.selfcheck import check_machine
from tasks.orchestration.failed_state import with_failed_state
from tasks.orchestration.run_names import selfcheck_name


@flow(name="step4-selfcheck", flow_run_name=selfcheck_name, persist_result=False)
def selfcheck(profile: ProfileName = None, models: Models = None, fresh: Fresh = False) -> list[dict[str, Any]]:
    """Hold the accelerator against the CPU on the shipped recording, at several levels.

    Args:
        profile: name or alias of a profile; else AUDIO_PROFILE, else gpu_fp32.
        models: offline, a hub id, or a folder.
        fresh: check again even where the answer is known.

    Returns:
        One answer per plan tried, the profile's own first, the one that will be used last.

    Raises:
        BatchError: the profile's own plan did not pass.
    """
    return with_failed_state(check_machine)(profile=profile, models=models, fresh=fresh)
