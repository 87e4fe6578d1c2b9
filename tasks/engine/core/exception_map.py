"""What libraries raise, in this project's words, where no stage has put it into words before."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.engine.core.errors import DeviceError, EngineError, MediaError, ServiceError, Step4Error, StorageError

OF_LIBRARY: dict[str, type[Step4Error]] = {
    "av": MediaError,
    "pyarrow": StorageError,
    "zipfile": StorageError,
    "torch": EngineError,
    "torchaudio": EngineError,
    "pyannote": EngineError,
    "prefect": ServiceError,
    "httpx": ServiceError,
    "httpcore": ServiceError,
    "sqlalchemy": ServiceError,
}
OF_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG, errno.ESTALE, errno.ENOLCK}
DEVICE_WORDS = ("CUDA", "cuDNN", "CUBLAS", "CUFFT", "cusolver", "NVML", "no kernel image", "out of memory")


def map_exception(error: BaseException) -> Step4Error | None:
    """The error of the tree that a foreign exception stands for; None for one that nobody foresaw.

    An error of the tree stands for itself. The library is told by the exception's own class: none is imported here.
    """
    if isinstance(error, Step4Error):
        return error
    text = " ".join(str(error).split())[:300] or type(error).__name__
    library = type(error).__module__.partition(".")[0]
    if isinstance(error, MemoryError) and library == "builtins":
        return EngineError("out of memory: free some, or lower the batch size")
    if isinstance(error, RuntimeError) and any(word in text for word in DEVICE_WORDS):
        return DeviceError(text)
    library = "prefect" if isinstance(error, RuntimeError) and "Prefect" in text else library
    if library in OF_LIBRARY:
        return OF_LIBRARY[library](f"{library}: {text}")
    if isinstance(error, OSError) and error.errno in OF_DISK:
        return StorageError(f"{error.filename or 'a file'} could not be read or written: {error.strerror}.")
    return None


MEMORY_WORDS = ("out of memory", "can't allocate memory", "bad_alloc")


def is_out_of_memory(error: BaseException) -> bool:
    """Is this how torch, or Python, says that memory ran out?"""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in MEMORY_WORDS)


DEVICE_FAILURES: tuple[str, ...] = (
    "CUDA error",
    "CUDA out of memory",
    "cuDNN error",
    "CUBLAS_STATUS",
    "CUFFT_",
    "NVML",
)


DEVICE_FAILURES += ("No CUDA GPUs", "cusolver", "NVIDIA driver", "unable to find an engine", "not compiled with CUDA")
"""How torch's messages begin, or what they contain, when it is the device that failed and not our code."""


@contextmanager
def device_failures() -> Iterator[None]:
    """Turn what torch raises when a device fails into `DeviceError`; everything else passes.

    Raises:
        DeviceError: one line, the driver's own words.
    """
    try:
        yield
    except Step4Error:
        raise
    except (RuntimeError, MemoryError, AssertionError) as error:
        text = " ".join(str(error).split())
        if is_out_of_memory(error):
            raise DeviceError("out of memory") from error
        if type(error).__name__ == "AcceleratorError" or any(words in text for words in DEVICE_FAILURES):
            raise DeviceError(text[:200]) from error
        raise
