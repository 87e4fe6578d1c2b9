"""Imports of pyannote.audio that inference never uses, deferred until somebody does use them.

pyannote.audio brings training along: lightning's trainer, torch's compiler, metrics, plots, tables. They take more than
half of the seconds of its import. While a module of `pyannote` is executed, what `DEFERRED` names is replaced by
stand-ins that import the real thing on first use, such as a call or a subclass. Afterwards nothing is replaced: whoever
imports these libraries for their own sake gets them as ever.
"""

import importlib
import importlib.metadata
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from threading import Lock, get_ident, local
from types import ModuleType
from typing import Any, Union

IMPORTER = "pyannote"

DEFERRED = (
    "lightning.fabric._graveyard",
    "lightning.fabric.fabric",
    "lightning.fabric.loggers",
    "lightning.fabric.plugins",
    "lightning.fabric.strategies",
    "lightning.pytorch._graveyard",
    "lightning.pytorch.callbacks",
    "lightning.pytorch.loggers",
    "lightning.pytorch.loops",
    "lightning.pytorch.strategies",
    "lightning.pytorch.trainer",
    "lightning.pytorch.utilities.model_summary",
    "matplotlib",
    "networkx",
    "optuna",
    "pandas",
    "pyannote.audio.core.calibration",
    "pyannote.audio.pipelines.multilabel",
    "pyannote.audio.pipelines.overlapped_speech_detection",
    "pyannote.audio.pipelines.resegmentation",
    "pyannote.audio.pipelines.speech_separation",
    "pyannote.audio.pipelines.voice_activity_detection",
    "pyannote.audio.tasks",
    "pyannote.audio.torchmetrics",
    "pyannote.audio.utils.metric",
    "pyannote.core.notebook",
    "pyannote.metrics",
    "pyannote.pipeline.optimizer",
    "pytorch_metric_learning",
    "scipy.signal",
    "scipy.stats",
    "sklearn",
    "torch._dynamo",
    "torch_audiomentations",
    "torchaudio",
    "torchcodec",
    "torchmetrics",
)
"""What pyannote.audio 4 and lightning 2 import at their top, and what neither loads nor runs a network."""

IMPLIED = {"lightning.pytorch.utilities": "lightning.pytorch.utilities.argparse"}
"""From a package to a module of it that only deferred ones import, and that others take for imported."""

_thread = local()
"""`depth`: how many modules of pyannote are being executed in this thread."""

_EXECUTING: list[int] = []
"""Threads that execute a module of pyannote, once for each."""

_counting = Lock()


class Deferred(ModuleType):
    """A module, or a name in one, that is imported when it is used."""

    _attribute: str

    def __init__(self, module: str, attribute: str = "") -> None:
        """Stand for the module of that name, or for an attribute of it."""
        super().__init__(module)
        self.__dict__.update(_attribute=attribute, __path__=[])

    def _real(self) -> Any:  # noqa: ANN401  # whatever it is
        return reduce(getattr, self._attribute.split(".") if self._attribute else (), _import(self.__name__))

    def __getattr__(self, name: str) -> object:
        if name == "__version__":
            return importlib.metadata.version(self.__name__)
        if name == "__all__" or not _depth():
            return getattr(self._real(), name)
        if name.startswith("__"):
            raise AttributeError(name)  # how `typing` and `inspect` look at everything they meet is no use of it
        return Deferred(self.__name__, f"{self._attribute}.{name}".lstrip("."))

    def __setattr__(self, name: str, value: object) -> None:
        if _depth() or name.startswith("__"):
            super().__setattr__(name, value)  # what the import system says of a module
        else:
            setattr(self._real(), name, value)

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Call the real one."""
        return self._real()(*args, **kwargs)

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._real(),)

    def __getitem__(self, item: object) -> object:
        return self._real()[item]

    def __or__(self, other: object) -> object:
        return Union[self, other]  # noqa: UP007  # the operator itself

    def __ror__(self, other: object) -> object:
        return Union[other, self]  # noqa: UP007

    def __instancecheck__(self, instance: object) -> bool:
        # Of a class that nobody has imported there is no instance, and none below it.
        return self._is_imported() and isinstance(instance, self._real())

    def __subclasscheck__(self, other: type) -> bool:
        return self._is_imported() and issubclass(other, self._real())

    def _is_imported(self) -> bool:
        return not isinstance(sys.modules.get(self.__name__), Deferred | None)


class Finder(MetaPathFinder, Loader):
    """Runs pyannote's modules with the deferred packages replaced, in the thread that imports them."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module of pyannote's, whose execution defers, or one that is deferred; no other."""
        root = _root(name)
        if root is None:
            return _deferring(_find(name, path, target)) if name.partition(".")[0] == IMPORTER else None
        present = sys.modules.get(root)
        # Where a stand-in is there, what is below it has no other place to come from, whoever asks.
        if not isinstance(present, Deferred) and (present is not None or not _depth()):
            return None
        if name == root and not _find(name, path, target):
            return None  # not installed
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make the stand-in."""
        return Deferred(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the real module is executed on use."""


def defer_imports() -> None:
    """Have imports of pyannote defer what inference never uses, from now on in this process."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


def _find(name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
    others = (finder for finder in sys.meta_path if not isinstance(finder, Finder))
    found = (finder.find_spec(name, path, target) for finder in others)
    return next((spec for spec in found if spec), None)


def _root(name: str) -> str | None:
    return next((root for root in DEFERRED if name == root or name.startswith(f"{root}.")), None)


def _depth() -> int:
    return getattr(_thread, "depth", 0)


def _deferring(spec: ModuleSpec | None) -> ModuleSpec | None:
    """Have a module executed while imports are deferred."""
    if spec and spec.loader and hasattr(spec.loader, "exec_module"):
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            with _executing():
                execute(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
    return spec


@contextmanager
def _executing() -> Iterator[None]:
    with _counting:
        _EXECUTING.append(get_ident())
    try:
        with _at_depth(_depth() + 1):
            yield
    finally:
        with _counting:
            _EXECUTING.remove(get_ident())
            if not _EXECUTING:  # in no thread: another one's import would miss them
                _forget()
        if not _depth():
            for package, module in IMPLIED.items():
                if package in sys.modules:
                    importlib.import_module(module)


@contextmanager
def _at_depth(depth: int) -> Iterator[None]:
    before, _thread.depth = _depth(), depth
    try:
        yield
    finally:
        _thread.depth = before


def _import(name: str) -> ModuleType:
    """Import the real module, and for real whatever it imports in turn."""
    _forget()
    with _at_depth(0):
        return importlib.import_module(name)


def _forget() -> None:
    """Take the stand-ins out of `sys.modules`; those that packages refer to are as good as the real ones."""
    for name in [name for name, module in list(sys.modules.items()) if isinstance(module, Deferred)]:
        del sys.modules[name]
