"""What libraries raise, in this project's words, where no stage has put it into words before."""

import errno

from tasks.engine.errors import DeviceError, EngineError, MediaError, ServiceError, Step4Error, StorageError

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


def in_our_words(error: BaseException) -> Step4Error | None:
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
