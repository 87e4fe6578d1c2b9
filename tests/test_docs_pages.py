"""The site of docs/: it builds, its commands run as written, and its generated pages follow the code."""

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from media_samples import clip
from paths import ROOT
from probing import probed_here

from flows.cli.main import main
from profiles.variables import setting_names
from tasks.engine.core import errors
from tasks.engine.core.choices import Verdict
from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import Dependencies, use_dependencies
from tasks.engine.formats.detect import load_timeline
from tasks.engine.formats.timeline_parquet import write_timeline
from tasks.engine.system.environment import TOKEN_VARIABLES
from tasks.engine.testing import ONE_GPU, ScriptedDiarizer, no_patching, nothing_to_load, sound_low_precision

DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*DOCS.glob("*.md"), *DOCS.glob("bad_days/*.md")])
}
BILINGUAL = [name for name in PAGES if f"{name.removesuffix('.md')}.fr.md" in PAGES]
README_USE = (ROOT / "README.md").read_text(encoding="utf-8").split("## Use it")[1].split("```")[1]


def commands(text: str) -> list[str]:
    """Lines of the shell blocks, indented ones too."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip().startswith("step4 ")]


ELSEWHERE = ("step4 selfcheck", "step4 batch", "step4 audit", "step4 models fetch")
"""They compute for minutes, or want a hub: only their options are checked here, and their own tests run them."""

# The commands of models.md want a hub: `test_docs_models.py` has one.
WRITTEN = {f"{name}: {line}": line for name, text in PAGES.items() if name != "models.md" for line in commands(text)}
WRITTEN |= {f"README: {line}": line for line in README_USE.splitlines() if line.startswith("step4 ")}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the commands of the documentation name."""
    folder = tmp_path_factory.mktemp("docs")
    clip(folder / "clip.mp4")
    with scripted(), pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run("step4 run clip.mp4")
    table = load_timeline(folder / "clip_timeline.parquet")
    for name in ("a", "b", "cpu", "gpu"):
        write_timeline(folder / f"{name}.parquet", table)
    (folder / "old_audio.json").write_bytes((folder / "clip_audio.json").read_bytes())
    (folder / "turns.csv").write_text("start_sec,end_sec,speaker\n0.5,2.0,A\n", encoding="utf-8")
    return folder


def scripted() -> AbstractContextManager[None]:
    """No network computes: what is documented is the command line."""
    diarizer = ScriptedDiarizer([Turn(0.5, 2.0, "SPEAKER_00"), Turn(1.8, 3.5, "SPEAKER_01")])
    return use_dependencies(
        Dependencies(
            run_probe=probed_here,
            device_facts=lambda: ONE_GPU,
            diarizer=diarizer,
            explainer=no_patching,
            check_low_precision=sound_low_precision,
            preload=nothing_to_load,
        )
    )


def run(line: str) -> list[int]:
    """Exit codes of the commands of one line, as a shell would split it."""
    codes = []
    for part in split(line):
        with pytest.raises(SystemExit) as caught:
            main(part[1:])
        codes.append(int(caught.value.code or 0))
    return codes


def split(line: str) -> list[list[str]]:
    """Words of each command of a line; names with a star are looked up."""
    parts: list[list[str]] = [[]]
    for word in shlex.split(line.replace(";", " ; "), comments=True):
        if word == ";":
            parts.append([])
        else:
            parts[-1] += sorted(map(str, Path().glob(word))) if "*" in word else [word]
    return parts


@pytest.mark.slow
@pytest.mark.usefixtures("clean_settings")
@pytest.mark.parametrize("line", WRITTEN.values(), ids=WRITTEN.keys())
def test_every_command_runs_as_written(
    line: str, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line of a shell block ends with 0, in a folder with the files it names, whatever other lines write."""
    monkeypatch.chdir(shutil.copytree(published, tmp_path / "docs"))
    asked = line.partition("#")[0] + " --help" * line.startswith(ELSEWHERE)
    with scripted():
        assert set(run(asked)) == {0}


def test_generated_pages_are_current() -> None:
    """`python docs/generate.py` would change nothing."""
    pages = runpy.run_path(str(DOCS / "generate.py"))["pages"]()

    assert {name: PAGES[name] == text for name, text in pages.items()} == dict.fromkeys(pages, True)


@pytest.mark.slow
def test_the_site_builds_and_loads_nothing(tmp_path: Path) -> None:
    """No warning; a French page for each that has one; no script, style or picture from elsewhere."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    pages = {path: path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.html")}
    loaded = [
        found
        for text in pages.values()
        for found in re.findall(r'<(?:script|img|link)[^>]+(?:src|href)="(http[^"]*)', text)
    ]

    assert loaded == []
    assert "Guide de l'opérateur" in (tmp_path / "site/fr/operators/index.html").read_text(encoding="utf-8")
    assert len(pages) > len(PAGES)


@pytest.mark.parametrize("name", BILINGUAL)
def test_both_languages_have_the_same_parts(name: str) -> None:
    """As many headings, tables' rows and the same commands."""
    english, french = PAGES[name], PAGES[name.replace(".md", ".fr.md")]

    bad_days = {f"bad_days/{day}.md" for day in ("drift", "stuck_run", "full_disk", "dead_server", "gpu_lost")}

    assert {*BILINGUAL} == {"index.md", "migration.md", "operators.md"} | bad_days
    assert commands(english) == commands(french)
    for mark in ("#", "|", "- ", "1. "):
        assert sum(line.startswith(mark) for line in english.splitlines()) == sum(
            line.startswith(mark) for line in french.splitlines()
        ), mark


@pytest.mark.parametrize("name", ["operators.md", "operators.fr.md"])
def test_operators_find_every_verdict_and_exit_code(name: str) -> None:
    """Each with its remedy: a row of three or four filled cells."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.Step4Error)]
    codes = {kind.exit_code for kind in kinds} - {1}
    rows = [
        [part.strip() for part in line.strip("|").split("|")] for line in PAGES[name].splitlines() if line[:1] == "|"
    ]
    remedies = {row[0].strip("`"): row for row in rows if all(row)}

    assert [verdict for verdict in Verdict if str(verdict) not in remedies] == []
    assert [code for code in codes if len(remedies.get(str(code), [])) != 4] == []


@pytest.mark.parametrize("name", ["migration.md", "migration.fr.md"])
def test_every_old_variable_is_still_read(name: str) -> None:
    """The page promises no name that the code does not know, and leaves out none that is not new."""
    known = setting_names()
    told = set(re.findall(r"`([A-Z][A-Z0-9]+_[A-Z0-9_]+)`", PAGES[name]))

    assert told <= known | set(TOKEN_VARIABLES)
    old = {variable for variable in known if not variable.startswith("STEP4_")}
    assert old | set(TOKEN_VARIABLES) <= told


def test_the_profile_of_the_guide_is_one(tmp_path: Path) -> None:
    """The file that the engineer's guide shows is accepted as it stands."""
    from profiles.profile import read_profile

    path = tmp_path / "mine.toml"
    path.write_text(re.findall(r"```toml\n(.*?)```", PAGES["engineers.md"], flags=re.DOTALL)[0])

    assert read_profile(path).fallback == "cpu"
