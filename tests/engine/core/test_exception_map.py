"""Every known failure of every library has a place in the error tree; unknown ones keep their cause."""

import errno
import zipfile

import pytest

from tasks.engine.core.errors import (
    DeviceError,
    EngineError,
    MediaError,
    ServiceError,
    Step4Error,
    StorageError,
    UsageError,
)
from tasks.engine.core.exception_map import MAX_MESSAGE, device_failures, is_device_failure, map_exception, message_of


def library_failures() -> list[tuple[BaseException, type[Step4Error]]]:
    """What the libraries are known to raise."""
    import av
    import httpx
    import prefect.exceptions as prefect
    import pyarrow as pa
    import sqlalchemy.exc as database
    import torch

    request = httpx.Request("GET", "http://127.0.0.1:4200/api")
    return [
        (av.error.InvalidDataError(1094995529, "Invalid data found when processing input"), MediaError),
        (av.error.EOFError(541478725, "End of file"), MediaError),
        (pa.ArrowInvalid("Not a Parquet file"), StorageError),
        (pa.ArrowNotImplementedError("x"), StorageError),
        (zipfile.BadZipFile("x"), StorageError),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), DeviceError),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), DeviceError),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), DeviceError),
        (RuntimeError("CUDA error: no kernel image is available for execution on the device"), DeviceError),
        (MemoryError(), EngineError),
        (OSError(errno.ENOSPC, "No space left on device"), StorageError),
        (OSError(errno.EIO, "Input/output error"), StorageError),
        (OSError(errno.EROFS, "Read-only file system"), StorageError),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), StorageError),
        (prefect.PrefectHTTPStatusError("500", request=request, response=httpx.Response(500)), ServiceError),
        (prefect.ObjectNotFound(Exception("x")), ServiceError),
        (prefect.CrashedRun("x"), ServiceError),
        (prefect.MissingResult("x"), ServiceError),
        (RuntimeError("Timed out while attempting to connect to ephemeral Prefect API server."), ServiceError),
        (httpx.ConnectError("All connection attempts failed"), ServiceError),
        (httpx.ReadTimeout("x"), ServiceError),
        (RuntimeError("Failed to reach API at http://127.0.0.1:9/api/"), ServiceError),
        (UnicodeEncodeError("utf-8", "caf\udce9.mp4", 3, 4, "surrogates not allowed"), UsageError),
        (database.OperationalError("select 1", {}, Exception("database is locked")), ServiceError),
    ]


def test_known_failures_have_a_place_in_the_tree() -> None:
    """One sentence on one line, of the class that users know."""
    for error, kind in library_failures():
        known = map_exception(error)
        assert type(known) is kind, error
        assert str(known).isprintable()


@pytest.mark.parametrize("error", [ValueError("bug"), KeyError("x"), RuntimeError("shape"), OSError(errno.ENOTTY, "x")])
def test_what_nobody_foresaw_is_not_explained_away(error: Exception) -> None:
    """It keeps its cause, and the exit code is 1."""
    assert map_exception(error) is None
    assert Step4Error.exit_code == 1


def test_an_error_of_the_tree_stands_for_itself() -> None:
    """No sentence is wrapped in another."""
    error = MediaError("x")
    assert map_exception(error) is error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: unspecified launch failure"),
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("CUDA error: no kernel image is available for execution on the device"),
        RuntimeError("cuDNN error: CUDNN_STATUS_MAPPING_ERROR"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        RuntimeError("CUDA out of memory. Tried to allocate 20 MiB"),
        RuntimeError("cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR"),
        RuntimeError("FIND was unable to find an engine to execute this computation"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        RuntimeError("The NVIDIA driver on your system is too old (found version 11040)"),
        AssertionError("Torch not compiled with CUDA enabled"),
        MemoryError(),
    ],
    ids=str,
)
def test_failures_of_a_device_are_told_from_bugs(error: Exception) -> None:
    """What a device raises inside inference is a device error: the CPU may follow."""
    with pytest.raises(DeviceError), device_failures():
        raise error


def test_bugs_inside_inference_stay_bugs() -> None:
    """A wrong shape is not blamed on the card."""
    with pytest.raises(RuntimeError, match="mat1"), device_failures():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"), True),
        (
            RuntimeError("Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False"),
            True,
        ),
        (RuntimeError("Could not run 'aten::x' with arguments from the 'CUDA' backend"), False),
        (ValueError("CUDA error: raised by what is no library of the device"), False),
    ],
    ids=str,
)
def test_inside_and_outside_of_inference_the_same_is_a_device_failure(error: Exception, failed: bool) -> None:
    """One function decides for the block that inference runs in, and for what escapes from elsewhere."""
    assert is_device_failure(error) == failed
    assert isinstance(map_exception(error), DeviceError) == failed


def test_a_server_that_went_away_is_named_as_such() -> None:
    """Whoever reads it knows neither the client nor its words."""
    import httpx

    known = map_exception(httpx.ConnectError("All connection attempts failed"))

    assert str(known).startswith("the Prefect server does not answer any more (All connection attempts failed)")


def test_no_message_of_a_library_shows_a_password() -> None:
    """What httpx and SQLAlchemy say quotes the address; it is redacted before it is cut."""
    text = f"Client error '401 Unauthorized' for url 'http://me:{'s3cret' * MAX_MESSAGE}@127.0.0.1:4200/api'"

    assert message_of(RuntimeError(text)) == "Client error '401 Unauthorized' for url 'http://127.0.0.1:4200/api'"
