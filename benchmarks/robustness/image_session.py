# ruff: noqa: E402  # the path to the project must be set before it is imported
"""Replays deploy/Dockerfile in a bare Debian 12 and lives in it as compose.yaml does: read-only, offline, unprivileged.

Run: ``python benchmarks/robustness/image_session.py FOLDER``, as root; it needs about 8 GB and half an hour. No
registry of images is asked: Debian's Python 3.11 stands in for ``python:3.11-slim``, SQLite for PostgreSQL and Redis.
Both stages are one root, since the last one copies folders to where they lie. FOLDER keeps the root; where it is there,
only the session is repeated.

The session is a mount, network and process namespace: loopback alone, the root mounted read-only, /tmp a tmpfs, and the
volumes (/var/lib/step4, the videos) bound; then uid and capabilities of the compose file, and its own commands: the
pages of Prefect, the server and its healthcheck, `deploy`, and a worker that takes a run.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tasks.engine.media.sample import recording_path

PYTHON = "/usr/local/python"
PATH = f"{PYTHON}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ANYWHERE = "0.0.0.0"  # noqa: S104  # of the compose file, where a container's network is around it
VOLUME, VIDEOS = "/var/lib/step4", "/videos"

MOUNTS = """
mount --make-rprivate /
mount --bind "$root" "$root"
mkdir -p "$root$VIDEOS"
mount --types proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$volume" "$root$VOLUME"
mount --bind "$videos" "$root$VIDEOS"
mount --options remount,bind,ro "$root"
mount --types tmpfs tmpfs "$root/tmp"
ip link set lo up
exec chroot "$root" setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --inh-caps=-all \
  --bounding-set=-all env -i "$@"
"""

LIFE = """
set -u
try() { echo "== $1"; shift; "$@"; echo "-- code $?"; }
cd /opt/step4
try "who" sh -c 'id; grep -E "CapEff|CapBnd|NoNewPrivs" /proc/self/status; cat /proc/net/dev | cut -d: -f1'
try "the root cannot be written" touch /opt/step4/x /opt/venv/x /models/x /etc/x
try "no network" python -c "import socket; socket.create_connection(('1.1.1.1', 53), 3)"
try "self-check" env PREFECT_API_URL= step4 selfcheck
try "run" env PREFECT_API_URL= step4 run /videos/sample.wav
try "pages" sh -c "$PAGES"
$SERVER > /tmp/server.log 2>&1 &
for _ in $(seq 60); do eval "$HEALTH" 2>/dev/null && break; sleep 2; done
try "healthcheck" eval "$HEALTH"
try "deploy" sh -c "$DEPLOY"
sh -c "$WORKER" > /tmp/worker.log 2>&1 &
cp /videos/sample.wav /videos/again.wav
try "a run for the worker" timeout 400 prefect deployment run step4-audio-analysis/manual \\
  --param video=/videos/again.wav --watch
tail -n 3 /tmp/server.log /tmp/worker.log
ls -l /videos
"""


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Yield each instruction of a Dockerfile with its argument, continuations joined."""
    lines = [line for line in dockerfile.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, argument = line.strip().partition(" ")
            yield word, argument.strip()


def inside(root: Path, command: str, environment: dict[str, str], folder: str) -> None:
    """Run a command of the build stage in the root, as root and with the network.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    words: list[str | Path] = ["chroot", root, "env", "-i", *(f"{name}={value}" for name, value in environment.items())]
    mounts = 'mount --make-rprivate /; mount --types proc proc "$0/proc"; mount --rbind /dev "$0/dev"; exec "$@"'
    shell = ["unshare", "--mount", "sh", "-euc", mounts, root, *words, "/bin/bash", "-o", "pipefail", "-euc"]
    subprocess.run([*shell, f"cd {shlex.quote(folder)}; {command}"], check=True)


def build(root: Path) -> None:
    """Make the bare root, and follow the Dockerfile in it."""
    cache = Path(os.environ.get("STEP4_FRESH_CACHE", "/var/cache/step4"))
    subprocess.run([ROOT / ".ci" / "fresh-debian", "bookworm", ""], check=True)
    root.mkdir(parents=True)
    subprocess.run(["tar", "--extract", "--directory", root, "--file", cache / "bookworm-bare.tar"], check=True)
    shutil.copy("/etc/resolv.conf", root / "etc")
    environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}
    for name in ("SSL_CERT_FILE", "PIP_CERT"):  # of machines that reach registries through a certificate of their own
        if os.environ.get(name):
            shutil.copy(os.environ[name], root / "certificates.pem")
            environment[name] = "/certificates.pem"
    inside(root, f"python3 -m venv {PYTHON}", environment, "/")
    folder = "/"
    for word, argument in instructions(ROOT / "deploy" / "Dockerfile"):
        print(f"{word} {argument}"[:150], flush=True)
        if word == "WORKDIR":
            folder = argument
            (root / folder.strip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "ARG":
            name, _, value = argument.partition("=")
            environment[name] = value
        elif word == "ENV" and "DONTWRITE" not in argument:  # of the last stage: the session takes it
            environment |= dict(word.split("=", 1) for word in shlex.split(argument))
        elif word == "COPY" and not argument.startswith("--from"):
            copy(argument.split(), root / folder.strip("/"))
        elif word == "RUN":
            inside(root, argument, environment, folder)


def copy(words: list[str], folder: Path) -> None:
    """Copy files, or the content of a folder, as COPY does."""
    *sources, target = words
    for name in sources:
        source, place = ROOT / name, folder / target
        if source.is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            place = place / source.name if target.endswith("/") else place
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)


def live(folder: Path) -> int:
    """Do what the compose file does in the root that was built; how that ended."""
    said = dict(instructions(ROOT / "deploy" / "Dockerfile"))  # the last of each: those of the last stage
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    variables = re.sub(r"\$\{DEVICE\}", "gpu", said["ENV"])
    environment = {
        "PATH": PATH,
        **{name: value or "" for name, value in dotenv_values(ROOT / "deploy" / "prefect.env").items()},
        **dict(word.split("=", 1) for word in shlex.split(variables.replace("$PATH", PATH))),
        "PREFECT_API_URL": "http://127.0.0.1:4200/api",
        "STEP4_INBOX": VIDEOS,
        "STEP4_GPU_SLOT": "gpu:bare",
        "TMPDIR": compose["deploy"]["environment"]["TMPDIR"],
        "PREFECT_UI_STATIC_DIRECTORY": f"{VOLUME}/ui",
        "PAGES": compose["user-interface"]["command"][0],
        "SERVER": shlex.join(compose["server"]["command"]).replace("--no-services", "").replace(ANYWHERE, "127.0.0.1"),
        "HEALTH": shlex.join(compose["server"]["healthcheck"]["test"][1:]),
        "DEPLOY": compose["deploy"]["command"][0].replace("${STEP4_GPUS:-1}", "1"),
        "WORKER": json.loads(said["CMD"])[0],
    }
    root, user = folder / "root", said["USER"]
    volume, videos = folder / "volume", folder / "videos"
    for place in (volume, videos):
        shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(root / VOLUME.strip("/"), volume)  # a new volume begins with what the image has there
    videos.mkdir()
    shutil.copy(recording_path(), videos / "sample.wav")
    subprocess.run(["chown", "-R", f"{user}:{user}", volume, videos], check=True)
    outside = {"root": root, "volume": volume, "videos": videos, "user": user, "VOLUME": VOLUME, "VIDEOS": VIDEOS}
    namespaces = [
        "unshare",
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--",
        "bash",
        "-euc",
        MOUNTS,
        "bash",
    ]
    entered = [*(f"{name}={value}" for name, value in environment.items()), "/bin/sh", "-c", LIFE]
    return subprocess.run(
        [*namespaces, *entered],
        env={**os.environ, **{name: str(value) for name, value in outside.items()}},
        check=False,
    ).returncode


if __name__ == "__main__":
    FOLDER = Path(sys.argv[1]).absolute()
    if not (FOLDER / "root").exists():
        build(FOLDER / "root")
    sys.exit(live(FOLDER))
