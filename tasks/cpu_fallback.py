"""What follows a device failure: the same inference once more, on the CPU."""

import logging
from dataclasses import replace

from tasks.engine.core import log_lines
from tasks.engine.core.errors import DeviceError
from tasks.inference_job import InferenceJob

log = logging.getLogger("step4.diarize")


def fall_back(job: InferenceJob, error: Exception) -> InferenceJob | None:
    """Return the same job on the CPU in FP32, where its device failed and its plan allows that; else None.

    Bad input is never tried again.
    """
    if not isinstance(error, DeviceError) or job.plan.fallback != "cpu" or job.attempt > 1:
        return None
    log.warning(log_lines.CUDA_FALLBACK, error)
    job.tell_fallback(job.plan, str(error))
    return replace(job, plan=job.plan.on_cpu_instead(str(error)), attempt=2)
