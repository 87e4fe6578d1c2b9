"""The files for servers: nothing here can be run by the tests, so everything that can be checked is."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dotenv import dotenv_values
from prefect.settings import Settings
from prefect.settings.legacy import _get_valid_setting_names

from flows.deploy import POOLS

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def run(*command: str | Path) -> None:
    """A linter must say nothing."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert not done.returncode, done.stdout + done.stderr


def test_the_dockerfile_passes_hadolint() -> None:
    """No warning of the linter."""
    run(Path(sys.executable).with_name("hadolint"), DEPLOY / "Dockerfile")


def test_the_compose_file_follows_its_specification() -> None:
    """Every key is one of the Compose Specification."""
    check = Path(sys.executable).with_name("check-jsonschema")
    run(check, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_accepts_the_units(unit: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify`, with the program at a place where there is one."""
    for path in UNITS:
        text = path.read_text(encoding="utf-8").replace("/opt/step4/.venv/bin/prefect", "/bin/true")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    run("systemd-analyze", "verify", "--man=no", tmp_path / unit.name.replace("@.", "@gpu."))


def test_every_setting_is_one_that_prefect_has() -> None:
    """A misspelt variable would be ignored without a word."""
    said = {name for name in dotenv_values(DEPLOY / "prefect.env") if name.startswith("PREFECT_")}
    said |= {name for name in re.findall(r"'(PREFECT_\w+)'", str(COMPOSE)) if "REDIS" not in name}

    assert said - _get_valid_setting_names(Settings) == set()


def test_whatever_the_image_copies_is_there_and_not_ignored() -> None:
    """COPY of a file that .dockerignore hides fails only when somebody builds."""
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]
    }
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}

    assert {name.removeprefix("./") for name in copied} == kept
    assert [name for name in kept if not (ROOT / name).exists()] == []


def test_the_image_runs_as_nobody_special_on_a_read_only_root() -> None:
    """Non-root, no capabilities, no new privileges, nothing writable but what is mounted."""
    workers = [COMPOSE["services"][name] for name in ("deploy", "worker-cpu", "worker-gpu")]

    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    for one in workers:
        assert one["read_only"]
        assert (one["user"], one["cap_drop"]) == ("10001", ["ALL"])
        assert one["security_opt"] == ["no-new-privileges:true"]


def test_nothing_listens_beyond_this_machine() -> None:
    """Prefect's API has no password by itself."""
    assert [port for one in COMPOSE["services"].values() for port in one.get("ports", [])] == ["127.0.0.1:4200:4200"]
    assert "--host 127.0.0.1" in (DEPLOY / "systemd" / "step4-server.service").read_text(encoding="utf-8")


def test_every_pool_has_a_worker() -> None:
    """A pool that nobody serves is a queue that never moves."""
    devices = {
        one["build"]["args"]["DEVICE"] for name, one in COMPOSE["services"].items() if name.startswith("worker-")
    }

    assert {f"step4-{device}" for device in devices} == set(POOLS)
