"""What this machine can compute with, as values: facts that a probe found, and the plan made from them."""

import os
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from tasks.engine.devices import driver

SMOKE_SUM = 16.0


@dataclass(frozen=True, slots=True)
class CudaDevice:
    """One CUDA device as the driver reports it.

    Attributes:
        index: as torch counts them.
        name: the card's.
        capability: such as 7.5.
        total_memory: bytes.
        free_memory: bytes.
    """

    index: int
    name: str
    capability: str
    total_memory: int
    free_memory: int


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What is there.

    Attributes:
        torch: its version.
        cuda_build: CUDA version that torch was built with, if any.
        cudnn: its version, where a device is usable.
        cpu_threads: that this process may use.
        free_memory: bytes of main memory available.
        cuda: usable devices.
        driver: CUDA version of the driver, as an integer: 13000 is 13.0.
        cuda_error: why a CUDA build of torch sees no device.
        cpu_bfloat16: has the processor instructions for BF16? Without them it is emulated, and slower than FP32.
    """

    torch: str
    cuda_build: str | None
    cudnn: int | None
    cpu_threads: int
    free_memory: int
    cuda: tuple[CudaDevice, ...] = ()
    driver: int | None = None
    cuda_error: str | None = None
    cpu_bfloat16: bool = False


def cpu_name() -> str:
    """Read the processor's model name, where the system tells."""
    return cpu_info("model name") or "CPU"


def cpu_flags() -> set[str]:
    """Read the names of the processor's extensions, as Linux spells them."""
    return set(cpu_info("flags").split())


def cpu_info(entry: str) -> str:
    """Read an entry of the first processor in /proc/cpuinfo; empty where there is none."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  # a device file of one page
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith(entry)), "")
    except OSError:
        return ""


def available_memory() -> int:
    """Count the bytes of main memory that can be taken without swapping."""
    return int(psutil.virtual_memory().available)


def driver_version() -> int | None:
    """Read the CUDA version of the driver: torch has no public name for it."""
    import torch  # noqa: PLC0415

    version = getattr(torch._C, "_cuda_getDriverVersion", None)  # noqa: SLF001
    return int(version()) if version else None


def probe(torch: Any = None, ask_driver: Callable[[], str | None] = driver.check_driver) -> DeviceFacts:  # noqa: ANN401
    """Look at this machine through torch, if its driver answers; without torch where no driver is installed.

    Args:
        torch: the library; tests pass their own.
        ask_driver: says why the driver must not be asked, or None.
    """
    if torch is None:
        if not driver.is_installed() and (alone := without_torch()):
            return alone
        import torch  # noqa: PLC0415  # heavy: three seconds

    devices: list[CudaDevice] = []
    error = ask_driver() if torch.version.cuda else None
    if error is None:
        try:
            devices = [cuda_device(torch, index) for index in range(torch.cuda.device_count())]
            error = None if devices or not torch.version.cuda else why_none(torch)
        except (RuntimeError, AssertionError, OSError) as failure:
            devices, error = [], " ".join(str(failure).split())
    return DeviceFacts(
        torch=torch.__version__,
        cuda_build=torch.version.cuda,
        cudnn=torch.backends.cudnn.version() if devices else None,
        cpu_threads=usable_threads(),
        free_memory=available_memory(),
        cuda=tuple(devices),
        driver=driver_version() if devices else None,
        cuda_error=error,
        cpu_bfloat16=has_bfloat16(torch),
    )


def without_torch() -> DeviceFacts | None:
    """Describe a machine without a CUDA driver from torch's version file alone, as torch itself would.

    Returns:
        None where torch is not installed, or built for other accelerators: it must be asked then.
    """
    spec = find_spec("torch")
    version = runpy.run_path(str(Path(spec.origin).with_name("version.py"))) if spec and spec.origin else {}
    if not version or any(version.get(kind) for kind in ("hip", "xpu")):
        return None
    return DeviceFacts(
        torch=str(version["__version__"]),
        cuda_build=version["cuda"],
        cudnn=None,
        cpu_threads=usable_threads(),
        free_memory=available_memory(),
        cpu_bfloat16=bool({"avx512_bf16", "amx_bf16"} & cpu_flags()),
    )


def usable_threads() -> int:
    """Count the CPU threads that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bfloat16(torch: Any) -> bool:  # noqa: ANN401  # the library, or a test's
    """Does the processor multiply in BF16? No, where torch cannot tell (it can since 2.11)."""
    known: dict[str, Any] = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def cuda_device(torch: Any, index: int) -> CudaDevice:  # noqa: ANN401  # the library, or a test's
    """Describe a device once it has computed something: a build may see a card for which it has no kernels.

    Raises:
        RuntimeError: it cannot be used.
    """
    properties = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    total_of_twos = float(torch.ones(8, device=f"cuda:{index}").add(1).sum())
    if total_of_twos != SMOKE_SUM:
        raise RuntimeError(f"{properties.name} adds eight twos to {total_of_twos}")
    return CudaDevice(index, properties.name, f"{properties.major}.{properties.minor}", total, free)


def why_none(torch: Any) -> str | None:  # noqa: ANN401  # as above
    """Say why a CUDA build sees no device; None on a machine that has no NVIDIA driver at all."""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as failure:
        text = " ".join(str(failure).split())
        return None if "no NVIDIA driver" in text else text
    return None
