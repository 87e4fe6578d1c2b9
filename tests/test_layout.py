"""The shape of the code: what may import what, and how large things may grow."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

MODULES = sorted(path for folder in ("flows", "tasks", "profiles") for path in (ROOT / folder).rglob("*.py"))
LONGEST_MODULE = 250
NO_STAGES = {"__init__", "cpu_fallback", "inference_job", "requests", "run"}
"""What stages share: where they leave word, and what they wait for."""
STAGES = [path for path in (ROOT / "tasks").glob("*.py") if path.stem not in NO_STAGES]
LOGIC = (
    ast.For,
    ast.While,
    ast.Try,
    ast.BinOp,
    ast.AugAssign,
    ast.ListComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Lambda,
)


@pytest.mark.slow
def test_importing_the_engine_loads_no_prefect() -> None:
    """Not even through a dependency."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "tasks/engine").rglob("*.py")]
    light = [name for name in names if not name.endswith("__init__")]
    code = f"import sys, importlib\n[importlib.import_module(n) for n in {light!r}]\nsys.exit('prefect' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


RECIPES = [*(ROOT / "flows").glob("*.py"), *(ROOT / "flows" / "recipes").glob("*.py")]


@pytest.mark.parametrize(
    "path", [path for path in RECIPES if path.name != "parameters.py"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_flows_hold_no_logic(path: Path) -> None:
    """A flow or recipe names steps: no loops, no arithmetic, no error handling, no comprehensions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    statements = [statement for function in functions for statement in function.body]

    assert [node.lineno for s in statements for node in ast.walk(s) if isinstance(node, LOGIC)] == []


@pytest.mark.parametrize("path", STAGES, ids=lambda p: p.stem)
def test_a_stage_is_plain_functions_first_and_its_tasks_last(path: Path) -> None:
    """A stage's function, named like its module or like a task, stands before every Prefect task of the module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tasks = [i for i, node in enumerate(tree.body) if is_task(node)]
    plain = {node.name: i for i, node in enumerate(tree.body) if isinstance(node, ast.FunctionDef) and i not in tasks}
    names = [name.removesuffix("_task") for i in tasks for name in defined(tree.body[i])]

    assert tasks
    assert [name for name in names if plain.get(name, len(tree.body)) > min(tasks)] == []


def is_task(node: ast.stmt) -> bool:
    """Does this statement make a stage?"""
    makers = node.decorator_list if isinstance(node, ast.FunctionDef) else [getattr(node, "value", None)]
    return any(maker is not None and ast.unparse(maker).startswith("stage(") for maker in makers)


def defined(node: ast.stmt) -> list[str]:
    """Names that a statement defines."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    return [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]


UNTESTED: dict[str, str] = {}
"""Modules without a test module of their name, each with its reason."""


def test_every_module_has_a_test_module_of_its_name() -> None:
    """`tasks/engine/core/turns.py` is tested in `tests/engine/core/test_turns.py`: nobody has to search."""
    modules = {path.relative_to(ROOT) for path in MODULES if path.name != "__init__.py"}
    missing = {str(path) for path in modules if not module_of_tests(path).is_file()}

    assert missing == UNTESTED.keys()


def module_of_tests(path: Path) -> Path:
    """Where the tests of a module are."""
    inner = path.relative_to("tasks") if path.parts[:2] == ("tasks", "engine") else path
    return ROOT / "tests" / inner.with_name(f"test_{path.name}")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_stay_small(path: Path) -> None:
    """A module that outgrows 250 lines is two modules."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


def test_functions_stay_small() -> None:
    """The median function is under 10 lines, docstring left out."""
    lengths = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lengths.append(node.end_lineno - body[0].lineno + 1 if body else 0)

    assert statistics.median(lengths) < 10
