"""Every known failure of every library has a place in the error tree; unknown ones keep their cause."""

import errno
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.engine.core import errors
from tasks.engine.core.errors import DeviceError, EngineError, MediaError, ServiceError, Step4Error, StorageError
from tasks.engine.core.exception_map import device_failures, map_exception


def tree(root: type[Step4Error] = Step4Error) -> Iterator[type[Step4Error]]:
    """A class and all below it."""
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def test_every_class_has_one_exit_code_and_one_level() -> None:
    """The codes are those that scripts rely on; the drawing names every class with its code."""
    drawn = errors.__doc__ or ""
    for kind in set(tree()) - {errors.BatchError}:  # has its worst video's
        assert kind.exit_code in {1, 2, 3, 4, 5, 6}
        assert kind.log_level in {logging.WARNING, logging.ERROR, logging.CRITICAL}
        line = next(line for line in drawn.splitlines() if f"{kind.__name__} " in line)
        assert line.split(kind.__name__)[1].split()[0] == str(kind.exit_code)


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


@pytest.mark.usefixtures("clean_settings")
def test_refusals_are_recorded_and_logged_at_their_level(caplog: pytest.LogCaptureFixture) -> None:
    """One JSON line and one log record; a drift records itself elsewhere; a bug passes as it is."""
    import json
    import os

    from tasks.records.diagnostics import INCONSISTENCIES, failures_recorded

    def end(error: BaseException) -> None:
        with failures_recorded(Path("clip.mp4")):
            raise error

    for error, kind in ((MediaError("bad clip"), MediaError), (OSError(errno.ENOSPC, "full"), StorageError)):
        with pytest.raises(kind):
            end(error)
    with pytest.raises(errors.DriftError):
        end(errors.DriftError("off"))
    with pytest.raises(ValueError, match="bug"):
        end(ValueError("bug"))
    path = Path(os.environ["STEP4_DIAGNOSTICS_DIR"]) / INCONSISTENCIES
    lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]

    assert [(line["kind"], line["error"], line["exit_code"]) for line in lines] == [
        ("refusal", "MediaError", 4),
        ("refusal", "StorageError", 6),
    ]
    assert [record.levelno for record in caplog.records if record.name == "step4.failed"] == [30, 40, 50]
