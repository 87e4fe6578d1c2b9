"""What inference never uses is imported when somebody uses it, and is then the real thing."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest
from paths import ROOT

from tasks.engine.models import deferred_imports
from tasks.engine.models.deferred_imports import Deferred, Finder

HEAVY = """
from heavy_inner import SIZE
LOADED = True
class Base:
    size = SIZE
    def __init__(self, name="none"): self.name = name
def double(number): return 2 * number
table = {"one": 1}
__all__ = ["Base", "double"]
"""
IMPORTERS = {
    "plain": "import heavy",
    "names": "from heavy import Base, double\nfrom heavy.below import deep",
    "annotated": "from typing import Union\nimport heavy\nA = Union[heavy.Base, int]\ndef f(x: heavy.Base | None): ...",
    "subclass": "from heavy import Base\nclass Mine(Base): pass",
    "optional": "try:\n    import nowhere\nexcept ImportError:\n    nowhere = None",
}

Importer = Callable[[str], Any]


@pytest.fixture
def importer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Importer]:
    """Imports modules of a package that is treated as pyannote is: it imports `heavy`, which is deferred."""
    (tmp_path / "heavy").mkdir()
    (tmp_path / "heavy" / "__init__.py").write_text(HEAVY)
    (tmp_path / "heavy" / "below.py").write_text("deep = 7")
    (tmp_path / "heavy_inner.py").write_text("SIZE = 3")
    (tmp_path / "framework").mkdir()
    (tmp_path / "framework" / "__init__.py").write_text("")
    for name, text in IMPORTERS.items():
        (tmp_path / "framework" / f"{name}.py").write_text(text)
    monkeypatch.setattr(deferred_imports, "IMPORTER", "framework")
    monkeypatch.setattr(deferred_imports, "DEFERRED", ("heavy", "heavy_inner", "nowhere"))
    monkeypatch.setattr(sys, "meta_path", [Finder(), *(one for one in sys.meta_path if not isinstance(one, Finder))])
    monkeypatch.syspath_prepend(tmp_path)

    def imported(name: str) -> ModuleType:
        return __import__(f"framework.{name}", fromlist=["x"])

    yield imported
    for name in [name for name in sys.modules if name.split(".")[0] in {"framework", "heavy", "heavy_inner"}]:
        del sys.modules[name]


def test_an_import_alone_loads_nothing_and_leaves_nothing_behind(importer: Importer) -> None:
    """Neither the module nor a stand-in for it is in `sys.modules` when the import has ended."""
    for name in ("plain", "names", "annotated"):
        importer(name)
    assert not {"heavy", "heavy.below", "heavy_inner"} & set(sys.modules)


def test_first_use_is_the_real_thing(importer: Importer) -> None:
    """A call, an item, a class, a name of a module below: each answers as the real one, which is then imported."""
    names, plain = importer("names"), importer("plain")
    assert names.double(4) == 8
    assert sys.modules["heavy"].LOADED
    assert not isinstance(sys.modules["heavy_inner"], Deferred)
    assert plain.heavy.table["one"] == 1
    assert names.Base("x").name == "x"
    assert plain.heavy.__all__ == ["Base", "double"]
    assert names.deep.bit_length() == 3
    plain.heavy.LOADED = "changed"
    assert sys.modules["heavy"].LOADED == "changed"


def test_a_subclass_derives_from_the_real_class(importer: Importer) -> None:
    """A class statement is a use: the base in its order of resolution is no stand-in."""
    mine = importer("subclass").Mine
    assert mine.__mro__[1] is sys.modules["heavy"].Base
    assert (mine().size, mine("y").name) == (3, "y")


def test_instances_and_subclasses_are_told_apart(importer: Importer) -> None:
    """Of a class that nobody imported nothing is an instance, and asking does not import it; afterwards it counts."""
    base = importer("names").Base
    assert not isinstance(3, base)
    assert not issubclass(int, base)
    assert "heavy" not in sys.modules

    import heavy  # type: ignore[import-not-found]

    assert isinstance(heavy.Base(), base)
    assert issubclass(heavy.Base, base)
    assert not isinstance(3, base)


def test_who_imports_it_for_its_own_sake_gets_it(importer: Importer) -> None:
    """Before or after, in this thread or another: only modules of the framework get a stand-in."""
    importer("plain")
    found: list[Any] = []
    thread = Thread(target=lambda: found.append(__import__("heavy")))
    thread.start()
    thread.join()
    assert found[0].LOADED is True
    assert importer("names").double is found[0].double


def test_a_bystander_imports_what_is_below_a_stand_in(importer: Importer, tmp_path: Path) -> None:
    """Another thread that imports a module of a deferred package, while it is deferred, can use it."""
    found: list[Any] = []
    bystander = "import threading, importlib, heavy\nt = threading.Thread(target=lambda: seen.append(look()))"
    text = f"seen = []\nlook = lambda: importlib.import_module('heavy.below')\n{bystander}\nt.start(); t.join()"
    (tmp_path / "framework" / "busy.py").write_text(text)
    found += importer("busy").seen

    assert found[0].deep.bit_length() == 3


def test_a_thread_that_ends_takes_no_stand_in_of_another(importer: Importer, tmp_path: Path) -> None:
    """While a module is executed its stand-ins stay, whoever else imports meanwhile; the last one leaves none."""
    text = "import heavy\nfirst = heavy\nmeanwhile()\nimport heavy\nsame = heavy is first"
    (tmp_path / "framework" / "slow.py").write_text(f"from framework import meanwhile\n{text}")

    def another_import() -> None:
        thread = Thread(target=importer, args=("plain",))
        thread.start()
        thread.join()

    importlib.import_module("framework").meanwhile = another_import  # type: ignore[attr-defined]

    assert importer("slow").same
    assert "framework.plain" in sys.modules
    assert "heavy" not in sys.modules


def test_what_is_not_installed_stays_not_installed(importer: Importer) -> None:
    """A package that looks whether it can have another one is told the truth."""
    assert importer("optional").nowhere is None


ENGINES = """
import sys
import tasks.engine.inference.exact, tasks.engine.inference.shared, tasks.engine.inference.pyannote_adapter
from tasks.engine.models.deferred_imports import DEFERRED, Deferred
print([name for name in DEFERRED if name in sys.modules], [m for m in sys.modules.values() if isinstance(m, Deferred)])
import lightning.pytorch, matplotlib, pandas, torch._dynamo, torch.nn
from pyannote.audio import Model
from pyannote.core import notebook
notebook.width = 12
print(type(lightning.pytorch.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")).__module__)
print(issubclass(Model, lightning.pytorch.LightningModule), pandas.DataFrame([1]).shape, matplotlib.__name__)
print(isinstance(torch.compile(torch.nn.Linear(1, 1)), torch._dynamo.OptimizedModule))
print(notebook.width, sys.modules['pyannote.core.notebook'].notebook.width)
"""


@pytest.mark.slow
def test_the_engines_need_none_of_it_and_whoever_does_has_it() -> None:
    """Both engines load without any of `DEFERRED`; afterwards training, tables, plots and compilation work as ever."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ENGINES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [
        "[] []",
        "lightning.pytorch.trainer.trainer",
        "True (1, 1) matplotlib",
        "True",
        "12 12",
    ], done.stderr
