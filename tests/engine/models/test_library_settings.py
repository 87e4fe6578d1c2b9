"""Telemetry off and checkpoints as data only, before the libraries are imported; nothing where they are not."""

import getpass
import os
import re
import subprocess
import sys
from unittest.mock import Mock

import pytest
from paths import ROOT

from tasks.engine.models.library_settings import name_compiler_cache

VARIABLES = (
    "PYANNOTE_METRICS_ENABLED",
    "HF_HUB_DISABLE_TELEMETRY",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN",
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD",
)
WATCH = """
import importlib, os, sys
variables, watched, module = sys.argv[1].split(), {"pyannote.audio", "huggingface_hub"}, sys.argv[2]
seen = {}
class Watch:
    def find_spec(self, name, *_):
        if name in watched:
            seen.setdefault(name, [os.environ.get(variable) for variable in variables])
sys.meta_path.insert(0, Watch())
importlib.import_module(module)
print(sorted(seen.items()), [os.environ.get(variable) for variable in variables])
"""


def watched(module: str, **environment: str) -> str:
    """Import a module in a fresh process: the variables when a library was first looked for, and at the end."""
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES} | environment
    done = subprocess.run(
        [sys.executable, "-c", WATCH, " ".join(VARIABLES), module],
        env=clean | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


SAFE = "['0', '1', '1', '1']"


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    ["tasks.engine.inference.exact", "tasks.engine.models.campplus", "tasks.engine.diagnosis.margins"],
)
def test_libraries_find_their_settings_when_they_are_imported(module: str) -> None:
    """Whichever package comes first: no telemetry, no token of its own accord, no pickled code."""
    seen = watched(module)

    assert f"('pyannote.audio', {SAFE})" in seen
    assert f"('huggingface_hub', {SAFE})" in seen


def test_every_package_that_imports_these_libraries_tells_them_first() -> None:
    """A module of pyannote's or the hub's stands only in packages whose `__init__` calls `configure_libraries`."""
    importing = re.compile(r"^(?:from|import) (?:pyannote\.audio|huggingface_hub)", re.MULTILINE)
    packages = {path.parent for path in (ROOT / "tasks").rglob("*.py") if importing.search(path.read_text())}

    assert packages
    assert [str(one) for one in packages if "configure_libraries()" not in (one / "__init__.py").read_text()] == []


@pytest.mark.parametrize("module", ["flows.cli.main", "flows.cli.compare", "tasks.engine.gate.verdict"])
def test_a_comparison_of_files_sets_nothing(module: str) -> None:
    """Importing the engine is no reason to change a process: only who loads networks needs that."""
    assert watched(module) == "[] [None, None, None, None]"


def test_a_users_own_choice_of_telemetry_stands() -> None:
    """Who switches it on has it on; what protects from code and leaks cannot be switched off."""
    found = watched("tasks.engine.models.hub", PYANNOTE_METRICS_ENABLED="1", TORCH_FORCE_WEIGHTS_ONLY_LOAD="0")

    assert found == "[] ['1', '1', '1', '1']"


def test_a_user_without_a_name_is_none_of_torchs_business(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch names a cache after the user on import, and ends in a KeyError where passwd has no entry."""
    monkeypatch.setattr(os, "environ", {"LOGNAME": "me"})
    name_compiler_cache()
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ

    monkeypatch.setattr(getpass, "getuser", Mock(side_effect=KeyError("no such user")))
    name_compiler_cache()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"].endswith(str(os.getuid()))
