"""What the documentation says is true: its code runs, what it names exists, and it names everything there is."""

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
from tasks.engine.core.choices import FrameCount, Verdict
from tasks.engine.core.frames import FrameGrid, rate_of
from tasks.engine.core.timeline import SCHEMA, rows
from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.formats import timeline_parquet
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.system.environment import TOKEN_VARIABLES

README = (ROOT / "README.md").read_text(encoding="utf-8")
FORMATS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
PRINTED = {
    "duckdb": """\
┌────────────┬─────────┬────────┐
│  speaker   │ seconds │ first  │
│  varchar   │ double  │ double │
├────────────┼─────────┼────────┤
│ SPEAKER_00 │     2.0 │    1.0 │
│ SPEAKER_01 │     2.0 │    2.0 │
└────────────┴─────────┴────────┘

""",
    "polars": """\
shape: (1, 2)
┌───────────────┬──────────────┐
│ speech_frames ┆ timecode_sec │
│ ---           ┆ ---          │
│ u32           ┆ f64          │
╞═══════════════╪══════════════╡
│ 75            ┆ 1.0          │
└───────────────┴──────────────┘
""",
}
"""What each block of the README prints for two turns of two seconds that overlap by one, from the first second on."""
PAGES = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md", ".github/**/*.md") for path in ROOT.glob(pattern)
)
SOURCES = sorted(
    path
    for pattern in ("*.toml", "*.yml", "*.yaml", "Makefile", "NOTICE", ".github/**/*.yml", "deploy/**/*")
    for path in ROOT.glob(pattern)
    if path.is_file()
)
CODE = sorted(
    path
    for folder in ("flows", "tasks", "profiles", "tests", "benchmarks", "docs")
    for path in (ROOT / folder).rglob("*.py")
)
MADE_BY_USERS = {"deploy/.env"}
TOP = "flows|tasks|profiles|tests|benchmarks|docs|deploy"


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
@pytest.mark.parametrize(("library", "block"), list(zip(PRINTED, PYTHON_BLOCKS, strict=True)))
def test_the_readmes_code_runs(library: str, block: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each Python block runs as it stands and prints exactly the figures of the file."""
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102  # running the documentation is the test

    assert f"import {library}" in block
    assert capsys.readouterr().out == PRINTED[library]


def anchors(text: str) -> set[str]:
    """Fragments that the headings of a page can be reached by, on the site and on the repository's page."""
    outside_code = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", outside_code, flags=re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """The file that a link names exists, and so does the heading."""
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        name, _, fragment = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (fragment and fragment not in anchors(path.read_text(encoding="utf-8"))):
            lost.append(target)

    assert lost == []


def named_paths(text: str) -> set[str]:
    """Paths of the project's folders that a text names, stars included."""
    found = re.findall(rf"(?<![\w./:@$}}-])((?:{TOP})/[\w./*-]*)", text)
    return {name.rstrip(".-") for name in found} - MADE_BY_USERS


@pytest.mark.parametrize("page", [*PAGES, *SOURCES], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_named_exists(page: Path) -> None:
    """Modules, folders and scripts lie where pages and configuration say they do."""
    lost = [name for name in named_paths(page.read_text(encoding="utf-8")) if not list(ROOT.glob(name.rstrip("/")))]

    assert lost == []


def test_every_page_and_benchmark_named_in_code_exists() -> None:
    """Docstrings and comments do not point to pages or benchmarks that have moved."""
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in CODE
        for name in re.findall(r"(?<![\w./])((?:docs|benchmarks)/[\w/]+\.\w+)", path.read_text(encoding="utf-8"))
    }

    assert named
    assert {(path, name) for path, name in named if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_named_exists(page: Path) -> None:
    """Dotted names of modules, as in `python -m`, or the start of a name in one."""
    named = re.findall(r"(?<![\w./])(?:flows|tasks|profiles)(?:\.\w+)+", page.read_text(encoding="utf-8"))
    lost = []
    for name in named:
        path = ROOT / name.replace(".", "/")
        is_module = path.is_dir() or path.with_suffix(".py").is_file()
        if not is_module and not path.parent.with_suffix(".py").is_file():
            lost.append(name)

    assert lost == []


def test_the_map_shows_every_package() -> None:
    """The engineer's guide has a line for each folder of code."""
    guide = (ROOT / "docs" / "engineers.md").read_text(encoding="utf-8").split("```")[1]
    shown = set(re.findall(r"^ *([\w/]+)/ ", guide, flags=re.MULTILINE))
    top = {"flows", "tasks", "profiles"}
    inner = {path.parent.name for name in top for path in (ROOT / name).rglob("__init__.py")} - {"engine"}

    assert inner - shown == set()
    assert {name for name in shown if not list(ROOT.glob(f"**/{name}"))} == set()


def test_every_benchmark_is_in_the_index() -> None:
    """Each script has a row, or is named as the helper of one."""
    index = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    scripts = {path.name for path in (ROOT / "benchmarks").rglob("*.py")}

    assert scripts == set(re.findall(r"`(\w+\.py)`", index))


def test_the_readme_is_short() -> None:
    """Under 200 lines; the rest is in docs/."""
    assert len(README.splitlines()) < 200


def test_every_setting_is_in_the_readme_and_in_the_example() -> None:
    """No environment variable is secret knowledge."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    names = [name for field in Environment.model_fields.values() for name in field.validation_alias.choices]

    assert [name for name in [*names, *TOKEN_VARIABLES, "STEP4_MODELS_DIR"] if f"`{name}`" not in README] == []
    assert set(names) - set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", example)) == set()


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
        "STEP4_REPORTS_DIR",
        "STEP4_REPORTS_URL",
    } <= {"WARNING"}


def test_every_profile_is_in_the_readme() -> None:
    """Names and aliases."""
    names = [name for one in all_profiles().values() for name in (one.name, *one.aliases)]

    assert [name for name in names if f"`{name}`" not in README] == []


def test_every_command_is_in_the_readme() -> None:
    """Each command of `step4` has an example."""
    names = [one.name or one.callback.__name__ for one in app.registered_commands if one.callback]
    names += [group.name for group in app.registered_groups]

    shown = re.findall(r"(?:^|; )step4 (\w+)", README.split("## Use it")[1].split("```")[1], flags=re.MULTILINE)

    assert set(names) == set(shown)


def test_every_column_criterion_and_verdict_is_described() -> None:
    """The formats page follows the code."""
    criteria = {field.name: field.default for field in dataclasses.fields(Tolerance)}

    assert [column.name for column in SCHEMA if f"| `{column.name}` | {type_name(column)}" not in FORMATS] == []
    assert [
        n for n, limit in criteria.items() if not re.search(rf"\| `{n}` \| <=? {limit:g}(?: [a-z]+)? \|", FORMATS)
    ] == []
    assert [word for word in (*Verdict, *FrameCount) if f"| `{word}` |" not in FORMATS] == []


def type_name(column: object) -> str:
    """A column's type as the page writes it."""
    name = str(getattr(column, "type", ""))
    return {"double": "float64", "float": "float32"}.get(name, "list of string" if name.startswith("list") else name)


def test_every_flow_parameter_is_documented() -> None:
    """The docstring describes each parameter of the deployable flow, since it becomes the form's help."""
    from flows.audio_analysis import audio_analysis

    arguments = inspect.getdoc(audio_analysis.fn).split("Args:")[1].split("Raises:")[0]
    documented = re.findall(r"^\s+(\w+): ", arguments, flags=re.MULTILINE)

    assert set(inspect.signature(audio_analysis.fn).parameters) == set(documented)
