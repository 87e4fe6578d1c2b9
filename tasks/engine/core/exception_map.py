"""Maps exceptions of libraries to the error tree, where no stage has done so before."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.engine.core.credentials import without_credentials
from tasks.engine.core.errors import (
    DeviceError,
    EngineError,
    MediaError,
    ServiceError,
    Step4Error,
    StorageError,
    UsageError,
)
from tasks.engine.core.printable import printable

LIBRARY_ERRORS: dict[str, type[Step4Error]] = {
    "av": MediaError,
    "pyarrow": StorageError,
    "zipfile": StorageError,
    "torch": EngineError,
    "torchaudio": EngineError,
    "pyannote": EngineError,
    "prefect": ServiceError,
    "sqlalchemy": ServiceError,
}
"""By the top-level package of the exception's class."""

HTTP_CLIENTS = {"httpx", "httpcore"}
"""What Prefect's client raises. Fetching models has a process, or words, of its own for what fails there."""

DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG, errno.ESTALE, errno.ENOLCK}

OUT_OF_MEMORY_PHRASES = ("out of memory", "can't allocate memory", "bad_alloc")
"""In lower case: what torch's CUDA and CPU allocators and the C++ runtime say when memory ran out."""

DEVICE_FAILURE_PHRASES = (
    "CUDA error",
    "CUDA driver",
    "CUDA device",
    "cudaGetDeviceCount",
    "No CUDA GPUs",
    "not compiled with CUDA",
    "NVIDIA driver",
    "NVML",
    "no kernel image",
    "cuDNN error",
    "unable to find an engine",
    "CUBLAS_STATUS",
    "CUFFT_",
    "cusolver",
)
"""What torch's messages contain when the device, its driver or one of its libraries failed, and not our code."""

MAX_MESSAGE = 300
"""Characters kept of a library's message: torch appends its C++ stack."""


def map_exception(error: BaseException) -> Step4Error | None:
    """Return the error of the tree that an exception stands for; None for one that nobody foresaw.

    An error of the tree stands for itself. A library is recognised by the exception's own class: none is imported.
    """
    if isinstance(error, Step4Error):
        return error
    text = message_of(error)
    library = type(error).__module__.partition(".")[0]
    if isinstance(error, MemoryError) and library == "builtins":
        return EngineError("out of memory: free some, or lower the batch size")
    if is_device_failure(error):
        return DeviceError(text)
    if library in HTTP_CLIENTS or (isinstance(error, RuntimeError) and "Failed to reach API" in text):
        return ServiceError(f"the Prefect server does not answer any more ({text}): start it, then this again")
    library = "prefect" if isinstance(error, RuntimeError) and "Prefect" in text else library
    if library in LIBRARY_ERRORS:
        return LIBRARY_ERRORS[library](f"{library}: {text}")
    return _map_python_error(error)


def _map_python_error(error: BaseException) -> Step4Error | None:
    if isinstance(error, OSError) and error.errno in DISK_ERRNOS:
        return StorageError(f"{error.filename or 'a file'} could not be read or written: {error.strerror}.")
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return UsageError(f"'{printable(error.object)[:MAX_MESSAGE]}' is not UTF-8: a name that is would be accepted")
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether torch, or Python, says with this error that memory ran out."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(phrase in text for phrase in OUT_OF_MEMORY_PHRASES)


def is_device_failure(error: BaseException) -> bool:
    """Tell whether this is what torch raises when a device failed: out of memory, lost, absent or not usable."""
    if not isinstance(error, RuntimeError | MemoryError | AssertionError):
        return False
    text = str(error)
    return (
        is_out_of_memory(error)
        or type(error).__name__ == "AcceleratorError"
        or any(phrase in text for phrase in DEVICE_FAILURE_PHRASES)
    )


@contextmanager
def device_failures() -> Iterator[None]:
    """Turn what torch raises when a device fails into `DeviceError`; everything else passes.

    Raises:
        DeviceError: "out of memory", or the driver's own words on one line.
    """
    try:
        yield
    except (RuntimeError, MemoryError, AssertionError) as error:
        if not is_device_failure(error):
            raise
        raise DeviceError("out of memory" if is_out_of_memory(error) else message_of(error)) from error


def message_of(error: BaseException) -> str:
    """Return the error's message on one line, without passwords, cut to `MAX_MESSAGE`; its class where it has none."""
    return without_credentials(" ".join(str(error).split()))[:MAX_MESSAGE] or type(error).__name__
