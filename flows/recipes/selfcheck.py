"""Does this machine's accelerator agree with its CPU under a profile?

    device plan → check at several levels → degrade to FP32, then to CPU, where it diverges → remember → event

Run by workers at start and daily: runs of videos read the remembered answer and take the safer plan.
"""

from typing import Any

from profiles.settings import Configuration
from tasks.device import plan_device_task
from tasks.engine.dependencies import current_dependencies
from tasks.engine.inference.types import Parameters
from tasks.engine.models.registry import find, pinned
from tasks.orchestration.connection import log_at
from tasks.orchestration.gpu_slot import in_gpu_slot
from tasks.selfcheck import announce_task, selfcheck_task


def check_machine(*, fresh: bool = False, **chosen: Any) -> list[dict[str, Any]]:  # noqa: ANN401  # settings
    """Hold the accelerator against the CPU on the shipped recording, at several levels.

    Args:
        fresh: check again even where the answer is known.
        chosen: what `Configuration.resolve` takes; None values count as not chosen.

    Returns:
        One answer per plan tried, the profile's own first, the one that will be used last.

    Raises:
        BatchError: the profile's own plan did not pass; the report holds the answers.
    """
    configuration = Configuration.resolve(chosen)
    log_at(configuration.log_level)
    dependencies = in_gpu_slot(current_dependencies())
    facts = dependencies.device_facts()
    plan = plan_device_task(configuration, facts)
    model_set = find(configuration.models)
    files = model_set.identity()
    parameters = Parameters(models=pinned(configuration.models, model_set.commits))
    answers = selfcheck_task(plan, facts, files, parameters, dependencies.diarizer, fresh=fresh)
    return announce_task(answers)
