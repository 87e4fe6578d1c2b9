"""Device probe: what is there, what the profile asks, what will be used and why."""

import logging

from profiles.settings import Configuration
from tasks.engine.core import log_lines
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
    plan = DevicePlan(
        requested=configuration.device,
        device=f"cuda:{cuda.index}" if cuda else "cpu",
        device_name=cuda.name if cuda else cpu_name(),
        precision=precision(configuration, facts, cuda),
        autocast_dtype=configuration.autocast_dtype,
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
    """Return the configured precision, or FP32 for a GPU profile without a GPU, unless 16 bits pay on this CPU.

    They do with the shared engine and native BF16. The exact engine in FP32 is the reference: no second run. A profile
    for the CPU has 16 bits emulated on purpose; the shared engine's are for speed, wherever it runs.
    """
    for_speed = configuration.engine == "shared" and configuration.autocast_dtype == "bfloat16"
    wanted = configuration.precision
    if cuda or (configuration.device == "cpu" and not (for_speed and wanted == "mixed")):
        return wanted
    return "mixed" if for_speed and facts.cpu_bfloat16 and wanted == "mixed" else "fp32"


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
        return f"profile {configuration.profile} asks for cpu"
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
