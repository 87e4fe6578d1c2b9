"""What the documentation says is true: its code runs, and it names everything there is."""

import dataclasses
import inspect
import re
from pathlib import Path

import polars as pl
import pytest
from paths import ROOT

from flows.cli.main import app
from profiles.profile import all_profiles
from profiles.settings import Environment
from tasks.engine.core.choices import Verdict
from tasks.engine.core.frames import FrameGrid, rate_of
from tasks.engine.core.timeline import SCHEMA, rows
from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.formats import timeline_parquet
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.system.environment import TOKEN_VARIABLES

README = (ROOT / "README.md").read_text(encoding="utf-8")
FORMATS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def published_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the Parquet file that the README reads, as the working folder."""
    turns = [Turn(1.0, 3.0, "SPEAKER_00"), Turn(2.0, 4.0, "SPEAKER_01")]
    scores = SpeechScores(pl.Series([0.5] * 400).to_numpy().astype("float32"), 0.0, 0.016875)
    source = {"source": {"name": "clip.mp4", "fps": "25/1"}}
    timeline_parquet.write(tmp_path / "clip_timeline.parquet", rows(turns, scores, FrameGrid(150, rate_of(25))), source)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("published_clip")
@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=["duckdb", "polars"])
def test_the_readmes_code_runs(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each Python block runs as it stands and prints the figures of the file."""
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102  # running the documentation is the test

    shown = capsys.readouterr().out
    assert "SPEAKER_01" in shown or "75" in shown


def test_the_readme_is_short() -> None:
    """Under 200 lines; the rest is in docs/."""
    assert len(README.splitlines()) < 200


def test_every_setting_is_in_the_readme_and_in_the_example() -> None:
    """No environment variable is secret knowledge."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    names = [name for field in Environment.model_fields.values() for name in field.validation_alias.choices]

    assert [name for name in [*names, *TOKEN_VARIABLES, "STEP4_MODELS_DIR"] if f"`{name}`" not in README] == []
    assert [name for name in names if name not in example] == []


def test_every_variable_in_the_readme_is_a_setting() -> None:
    """The README promises nothing that the code does not read."""
    known = {name for field in Environment.model_fields.values() for name in field.validation_alias.choices}
    table = README.split("## Settings")[1].split("## Models")[0]

    assert set(re.findall(r"`([A-Z][A-Z0-9_]{5,})`", table)) - known - {
        *TOKEN_VARIABLES,
        "STEP4_MODELS_DIR",
        "STEP4_CACHE_DIR",
        "STEP4_DIAGNOSTICS_DIR",
        "STEP4_GPU_SLOT",
    } <= {"WARNING"}


def test_every_profile_is_in_the_readme() -> None:
    """Names and aliases."""
    names = [name for one in all_profiles().values() for name in (one.name, *one.aliases)]

    assert [name for name in names if f"`{name}`" not in README] == []


def test_every_command_is_in_the_readme() -> None:
    """Each command of `step4` has an example."""
    names = [one.name or one.callback.__name__ for one in app.registered_commands if one.callback]

    assert [name for name in names if f"step4 {name}" not in README] == []


def test_every_column_criterion_and_verdict_is_described() -> None:
    """The formats page follows the code."""
    criteria = {field.name: field.default for field in dataclasses.fields(Tolerance)}

    assert [column.name for column in SCHEMA if f"| `{column.name}` | {type_name(column)}" not in FORMATS] == []
    assert [n for n, limit in criteria.items() if not re.search(rf"\| `{n}` \| <=? {limit:g}", FORMATS)] == []
    assert [verdict for verdict in Verdict if f"| `{verdict}` |" not in FORMATS] == []


def type_name(column: object) -> str:
    """A column's type as the page writes it."""
    name = str(getattr(column, "type", ""))
    return {"double": "float64", "float": "float32"}.get(name, "list of string" if name.startswith("list") else name)


def test_every_flow_parameter_is_documented() -> None:
    """The docstring describes each parameter of the deployable flow, since it becomes the form's help."""
    from flows.audio_analysis import audio_analysis

    documented = re.findall(r"^\s+(\w+): ", inspect.getdoc(audio_analysis.fn).split("Args:")[1], flags=re.MULTILINE)

    assert set(inspect.signature(audio_analysis.fn).parameters) <= set(documented)
