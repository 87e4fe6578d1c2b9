"""step4-selfcheck: does this machine's accelerator agree with its CPU under a profile?

    device plan → check at several levels → degrade to FP32, then to CPU, where it diverges → remember → event

Run by workers at start and daily: runs of videos read the remembered answer and take the safer plan.
"""

from typing import Any

from prefect import flow

from flows.parameters import Fresh, Models, ProfileName
from profiles.settings import Configuration
from tasks.device import plan_device_task
from tasks.engine.dependencies import current_dependencies
from tasks.engine.inference.types import Parameters
from tasks.engine.models.registry import identity
from tasks.orchestration.connection import log_at
from tasks.orchestration.gpu_slot import in_gpu_slot
from tasks.selfcheck import announce_task, selfcheck_task


@flow(name="step4-selfcheck", persist_result=False)
def selfcheck(profile: ProfileName = None, models: Models = None, fresh: Fresh = False) -> list[dict[str, Any]]:
    """Hold the accelerator against the CPU on the shipped recording, at several levels.

    Args:
        profile: name or alias of a profile; else AUDIO_PROFILE, else gpu_fp32.
        models: offline, a hub id, or a folder.
        fresh: check again even where the answer is known.

    Returns:
        One answer per plan tried, the profile's own first, the one that will be used last.
    """
    configuration = Configuration.resolve({"profile": profile, "models": models})
    log_at(configuration.log_level)
    dependencies = in_gpu_slot(current_dependencies())
    facts = dependencies.device_facts()
    plan = plan_device_task(configuration, facts)
    files = identity(configuration.models)
    parameters = Parameters(models=configuration.models)
    answers = selfcheck_task(plan, facts, files, parameters, dependencies.diarizer, fresh=fresh)
    return announce_task(answers)
