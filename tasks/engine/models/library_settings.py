"""What pyannote.audio, huggingface_hub and torch are told before the first of them is imported."""

import getpass
import os
import tempfile
import warnings
from pathlib import Path

from tasks.engine.models.deferred_imports import defer_imports


def configure_libraries() -> None:
    """Switch telemetry off, have checkpoints loaded as data only, and silence three known warnings.

    The packages that import these libraries, `tasks.engine.models`, `tasks.engine.inference` and
    `tasks.engine.diagnosis`, call it as they are imported themselves: huggingface_hub reads its variables on import,
    and pyannote.audio fills in its own there.
    Whatever needs no network, such as a comparison of files, sets nothing.
    """
    # pyannote.audio reports durations and speaker counts to its makers unless told not to.
    os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")
    # The hub's client reports versions, and sends a token that it finds by itself wherever it asks.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"  # noqa: S105  # a switch
    # pyannote.audio loads checkpoints with weights_only=False, which runs whatever a checkpoint pickles.
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    # Samples are decoded by ffmpeg and handed over as arrays: torchcodec's shared libraries are never used.
    warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly")
    # pyannote warns of pooling over a single frame, which its own guards handle.
    warnings.filterwarnings("ignore", message=r"std\(\): degrees of freedom")
    # Samples may lie in a read-only memory map: they are only ever read.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    # Its import is the largest part of a short run, and half of that is for training.
    defer_imports()
    name_compiler_cache()


def name_compiler_cache() -> None:
    """Name torch's cache of compiled code after the number of a user without a name: torch asks for it on import."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        folder = Path(tempfile.gettempdir()) / f"torchinductor_{os.getuid()}"
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
