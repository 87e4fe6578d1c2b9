"""The wheel where no source tree is: built and installed by uv into a fresh environment, and run elsewhere.

Dependencies are borrowed from this environment: their versions are the lock's matter, not the wheel's.
"""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from paths import ROOT

from tasks.engine.media.sample import make_clips

pytestmark = [pytest.mark.slow, pytest.mark.everywhere]

KEPT = ("PATH", "SSL_CERT_FILE", "LANG")
WHERE = "import flows, tasks, profiles; print(*(p.__file__ for p in (flows, tasks, profiles)), sep='\\n')"
WORKER = (
    "from importlib.metadata import entry_points as e; [w] = e(group='prefect.collections', name='step4'); w.load()"
)

Installed = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Run a program of an environment that has the wheel, as somebody who has nothing else of this project."""
    folder = tmp_path_factory.mktemp("elsewhere")
    uv, environment = Path(sys.executable).with_name("uv"), folder / "environment"

    def run(*command: str | Path) -> None:
        subprocess.run(command, check=True, cwd=folder, capture_output=True, timeout=300)

    # No isolation: what builds is locked and here.
    run(uv, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, ROOT)
    run(uv, "venv", "--python", sys.executable, environment)
    packages = environment / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    # A line in a .pth file adds a folder and does not read the .pth files in it, of which one leads to the source tree.
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "borrowed.pth").write_text("\n".join(borrowed), encoding="utf-8")
    run(uv, "pip", "install", "--offline", "--no-deps", "--python", environment / "bin/python", *folder.glob("*.whl"))

    def installed(program: str, *arguments: str | Path, **variables: str | Path) -> "subprocess.CompletedProcess[str]":
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return subprocess.run(
            [environment / "bin" / program, *arguments],
            check=False,
            cwd=folder,
            env={**kept, "HOME": str(folder), **{name: str(value) for name, value in variables.items()}},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return installed


def test_nothing_of_it_comes_from_the_source_tree(installed: Installed) -> None:
    """Otherwise the rest would prove the tree, not the wheel; the warm worker is found by its entry point."""
    files = installed("python", "-c", WHERE).stdout.split()

    assert [Path(file).parent.name for file in files] == ["flows", "tasks", "profiles"]
    assert not [file for file in files if Path(file).is_relative_to(ROOT)]
    assert installed("python", "-c", WORKER).returncode == 0


def test_it_says_its_version_its_profiles_and_which_models_it_lacks(installed: Installed) -> None:
    """Before anything is fetched: models come by a command that needs neither pip nor make, and it is named."""
    assert installed("step4", "--version").stdout.split() == ["step4", version("step4-audio")]
    assert "gpu_optimized" in installed("step4", "profiles").stdout
    assert "not here" in installed("step4", "models", "list").stdout

    refused = installed("step4", "run", __file__)
    assert refused.returncode == 5
    assert "run `step4 models fetch offline`" in refused.stderr


def test_it_publishes_a_clip_and_draws_its_page(installed: Installed, tmp_path: Path) -> None:
    """With the models where STEP4_MODELS_DIR says; profiles, page and messages travel inside the wheel."""
    make_clips(tmp_path)
    models = Path(os.environ.get("STEP4_MODELS_DIR") or ROOT / "models").absolute()
    clip = tmp_path / "clip.mp4"

    held = installed("step4", "models", "fetch", STEP4_MODELS_DIR=models)
    assert held.returncode == 0, held.stderr
    assert held.stdout.count("known sha256") == 2

    ran = installed("step4", "run", clip, "--json", STEP4_MODELS_DIR=models)
    assert ran.returncode == 0, ran.stderr
    manifest = json.loads((tmp_path / "clip_step4.json").read_text(encoding="utf-8"))
    assert manifest["summary"]["speech_frames"] > 0

    drawn = installed("step4", "report", tmp_path / "clip_timeline.parquet", "-o", tmp_path / "page.html")
    assert drawn.returncode == 0, drawn.stderr
    assert "Bokeh" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["serve", "deploy"])
def test_what_needs_the_source_tree_says_so(installed: Installed, command: str) -> None:
    """Deployments are files of the repository: one sentence, no traceback, and nothing is left running."""
    refused = installed("python", "-m", f"flows.server.{command}", PREFECT_API_URL="http://127.0.0.1:9/api")

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "prefect.yaml" in refused.stderr
