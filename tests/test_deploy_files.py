"""The files for servers: nothing here can be run by the tests, so everything that can be checked is."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from dotenv import dotenv_values
from paths import ROOT
from prefect.settings import Settings
from prefect.settings.legacy import _get_valid_setting_names
from prefect.utilities.dispatch import lookup_type
from prefect.workers.base import BaseWorker

from flows.server.deploy import POOLS

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
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"/opt/step4/.venv/bin/\w+", "/bin/true", text)
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
    workers = [COMPOSE["services"][name] for name in ("user-interface", "deploy", "worker-cpu", "worker-gpu")]

    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    for one in workers:
        assert one["read_only"]
        assert (one["user"], one["cap_drop"]) == ("10001", ["ALL"])
        assert one["security_opt"] == ["no-new-privileges:true"]


def test_what_is_installed_is_compiled() -> None:
    """Where nothing can be written, every run would compile Prefect, torch and pyannote again."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert "uv pip sync --no-cache --compile-bytecode " in DOCKERFILE
    # As uv spells it: it refuses Python's own spelling.
    assert "PYC_INVALIDATION_MODE=UNCHECKED_HASH" in DOCKERFILE
    assert "export UV_COMPILE_BYTECODE ?= 1" in makefile
    for text in (DOCKERFILE, makefile):
        assert re.search(r"compileall .*flows tasks profiles$", text, re.MULTILINE)


def test_nothing_listens_beyond_this_machine() -> None:
    """Prefect's API has no password by itself."""
    assert [port for one in COMPOSE["services"].values() for port in one.get("ports", [])] == ["127.0.0.1:4200:4200"]
    assert "--host 127.0.0.1" in (DEPLOY / "systemd" / "step4-server.service").read_text(encoding="utf-8")


def test_every_server_shows_pages_that_ask_nobody_else() -> None:
    """They are made before it starts, in the folder that it serves."""
    service, unit = COMPOSE["services"]["server"], (DEPLOY / "systemd" / "step4-server.service").read_text("utf-8")
    made = re.findall(r"flows.server.user_interface (\S+)", COMPOSE["services"]["user-interface"]["command"][0])

    assert [service["environment"]["PREFECT_UI_STATIC_DIRECTORY"]] == made
    assert service["depends_on"]["user-interface"] == {"condition": "service_completed_successfully"}
    assert re.findall(r"ExecStartPre=.*user_interface (\S+)", unit) == re.findall(r"STATIC_DIRECTORY=(\S+)", unit)


def test_every_pool_has_a_worker() -> None:
    """A pool that nobody serves is a queue that never moves."""
    devices = {
        one["build"]["args"]["DEVICE"] for name, one in COMPOSE["services"].items() if name.startswith("worker-")
    }

    assert {f"step4-{device}" for device in devices} == set(POOLS)


LOCAL_SELFCHECK = "env -u STEP4_GPU_SLOT PREFECT_API_URL= "
"""A check that asks neither the server, which may not be up yet, nor for a place, which a dead run may still hold."""


@pytest.mark.parametrize("pool", ["step4-gpu", "step4-cpu"])
@pytest.mark.parametrize("code", [0, 3, 5, 139])
def test_the_image_checks_the_gpu_and_starts_its_worker_whatever_that_says(
    pool: str, code: int, tmp_path: Path
) -> None:
    """The command of the image, run by a real shell with programs that only say that they were started."""
    command = json.loads(re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[0])
    for name, body in {
        "step4": f'echo "step4 $@ [$PREFECT_API_URL]"; exit {code}',
        "prefect": 'echo "prefect $@"',
    }.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "STEP4_POOL": pool, "PREFECT_API_URL": "http://server"}
    done = subprocess.run(["/bin/sh", "-c", *command], env=environment, capture_output=True, text=True, check=True)
    checked, kind = (["step4 selfcheck []"], "step4-warm") if pool == "step4-gpu" else ([], "process")

    assert done.stdout.splitlines() == [*checked, f"prefect worker start --type {kind} --pool {pool} --limit 1"]


@pytest.mark.parametrize("kind", ["step4-warm", "process"])
@pytest.mark.parametrize("place", ["image", "unit"])
def test_one_line_chooses_the_worker_of_the_gpu(place: str, kind: str, tmp_path: Path) -> None:
    """STEP4_WORKER of `prefect.env`, in the image and in the unit; batches keep Prefect's own worker."""
    unit = (DEPLOY / "systemd" / "step4-worker@.service").read_text(encoding="utf-8").replace("\\\n", "")
    command = {
        "image": json.loads(re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[0])[0],
        "unit": re.findall(r"^ExecStart=/bin/sh -c '(.*)'$", unit, re.MULTILINE)[0].replace("$$", "$"),
    }[place]
    program = tmp_path / "prefect"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    started = {}
    for pool in ("gpu", "cpu"):
        given = command.replace("%i", pool).replace("/opt/step4/.venv/bin/prefect", "prefect")
        settings = {"STEP4_WORKER": kind, "STEP4_POOL": f"step4-{pool}", "STEP4_RUNS": "3"}
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **settings}
        done = subprocess.run(["/bin/sh", "-c", given], env=environment, capture_output=True, text=True, check=True)
        started[pool] = done.stdout.splitlines()[-1]

    assert started["gpu"] == f"worker start --type {kind} --pool step4-gpu --limit 3"
    assert started["cpu"] == "worker start --type process --pool step4-cpu --limit 3"


def test_the_chosen_worker_is_one_that_prefect_finds() -> None:
    """The entry point names a module, and the module a worker of the type that `prefect.env` says."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    for module in points["prefect.collections"].values():
        importlib.import_module(module)

    assert lookup_type(BaseWorker, str(dotenv_values(DEPLOY / "prefect.env")["STEP4_WORKER"])).type == "step4-warm"


def test_the_unit_of_the_gpus_worker_checks_it_first() -> None:
    """Its failure is ignored (`-`), and it may take its time; the CPU's worker asks nothing."""
    unit = (DEPLOY / "systemd" / "step4-worker@.service").read_text(encoding="utf-8")
    checks = [line for line in unit.splitlines() if line.startswith("ExecStartPre") and "selfcheck" in line]

    assert len(checks) == 1
    assert checks[0].startswith("ExecStartPre=-/bin/sh -c 'test %i != gpu || exec " + LOCAL_SELFCHECK)
    assert "TimeoutStartSec=30min" in unit


def test_every_machine_has_a_limit_of_its_own() -> None:
    """A name that a machine does not set itself would be shared by all of them: there is no default for it."""
    workers = [COMPOSE["services"][name] for name in ("deploy", "worker-cpu", "worker-gpu")]
    names = {one["environment"]["STEP4_GPU_SLOT"] for one in workers}

    assert len(names) == 1
    assert names.pop().startswith("gpu:${STEP4_MACHINE:?")
    assert "--gpus ${STEP4_GPUS:-1}" in COMPOSE["services"]["deploy"]["command"][0]
    assert COMPOSE["services"]["worker-gpu"]["environment"]["STEP4_RUNS"] == "${STEP4_GPUS:-1}"
