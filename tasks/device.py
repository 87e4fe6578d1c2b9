"""Device probe: what is there, what the profile asks, what will be used and why."""

import logging

from profiles.settings import Configuration
from tasks.engine.core import log_lines
from tasks.engine.core.choices import AutocastDtype
from tasks.engine.core.constants import GIB
from tasks.engine.core.errors import DeviceError
from tasks.engine.devices.batch_size import auto_batch_size
from tasks.engine.devices.facts import CudaDevice, DeviceFacts, cpu_name
from tasks.engine.devices.plan import DevicePlan
from tasks.orchestration.stage import stage

log = logging.getLogger("step4.device")

PRECISION_NAMES = {"fp32": "FP32, no AMP", "mixed": "AMP, FP32 segmentation", "naive": "AMP everywhere, unsafe"}


def plan_device(configuration: Configuration, facts: DeviceFacts) -> DevicePlan:
    """Decide device, precision and batch size.

    Raises:
        DeviceError: the configuration insists on CUDA and there is none.
    """
    cuda = choose_cuda(configuration, facts)
    free = cuda.free_memory if cuda else facts.free_memory
    threads = configuration.cpu_workers or facts.cpu_threads
    batch = configuration.batch_size
    in_force = precision(configuration, facts, cuda)
    plan = DevicePlan(
        requested=configuration.device,
        device=f"cuda:{cuda.index}" if cuda else "cpu",
        device_name=cuda.name if cuda else cpu_name(),
        precision=in_force,
        autocast_dtype=AutocastDtype.BFLOAT16 if in_force == "mixed" and not cuda else configuration.autocast_dtype,
        # On the CPU each thread has a batch of its own.
        batch_size=auto_batch_size(free if cuda else free // threads, on_cpu=not cuda) if batch == "auto" else batch,
        threads=threads,
        level=configuration.level,
        engine=configuration.engine,
        segmentation_step=configuration.segmentation_step,
        fallback=configuration.fallback if cuda else "none",
        reason=reason(configuration, facts, cuda),
        free_memory=free,
    )
    announce(configuration, plan)
    return plan


def precision(configuration: Configuration, facts: DeviceFacts, cuda: CudaDevice | None) -> str:
    """Return the configured precision, or FP32 where 16 bits do not pay on a CPU.

    Mixed precision is for speed, and does where the processor multiplies in BF16: emulated 16 bits of either kind take
    longer than FP32. The exact engine of a profile that took the CPU for want of a GPU stays in FP32, which makes it
    the reference: no second run. The naive precision is for its effects: a profile for the CPU has it emulated.
    """
    wanted = configuration.precision
    asked = configuration.device == "cpu"
    if cuda or wanted == "fp32" or (asked and wanted == "naive"):
        return wanted
    pays = wanted == "mixed" and facts.cpu_bfloat16 and (asked or configuration.engine == "shared")
    return "mixed" if pays else "fp32"


def choose_cuda(configuration: Configuration, facts: DeviceFacts) -> CudaDevice | None:
    """Return the CUDA device with most free memory, or None for the CPU.

    Raises:
        DeviceError: CUDA was asked for by name and there is none.
    """
    if configuration.device == "cpu":
        return None
    if facts.cuda:
        return max(facts.cuda, key=lambda device: device.free_memory)
    if configuration.device == "cuda":
        raise DeviceError(
            f"profile {configuration.profile} asks for cuda: {no_cuda(facts)}; "
            "choose --profile gpu_fp32 (takes the CPU where there is no GPU) or cpu"
        )
    return None


def no_cuda(facts: DeviceFacts) -> str:
    """Say why there is no CUDA device."""
    if facts.cuda_error:
        return f"no usable CUDA device ({facts.cuda_error})"
    return f"torch {facts.torch} found no CUDA device" if facts.cuda_build else f"torch {facts.torch} has no CUDA"


def reason(configuration: Configuration, facts: DeviceFacts, cuda: CudaDevice | None) -> str:
    """Return one clause for the manifest and the summary."""
    if configuration.device == "cpu":
        emulated = configuration.precision == "mixed" and not facts.cpu_bfloat16
        return f"profile {configuration.profile} asks for cpu{', which has no BF16: FP32' if emulated else ''}"
    if cuda is None:
        return no_cuda(facts)
    return f"compute capability {cuda.capability}, {cuda.total_memory / GIB:.1f} GiB"


def announce(configuration: Configuration, plan: DevicePlan) -> None:
    """Log the lines that operators search for."""
    precision = PRECISION_NAMES[plan.precision]
    log.info(log_lines.PROFILE_IN_USE, configuration.profile, precision)
    if not plan.on_cpu:
        gib = plan.free_memory / GIB
        log.info(log_lines.GPU_MEMORY, gib, plan.batch_size)


plan_device_task = stage("plan-device")(plan_device)
