"""Seconds from STEP3's event to our code, and from there to published files, on a server that is running.

    make serve            # in another terminal
    PREFECT_API_URL=http://127.0.0.1:4200/api python benchmarks/speed/prefect_overhead.py VIDEO [REPEATS]

The video's earlier publication is removed before each repeat; finished inferences are kept from the second on, so that
the first repeat shows a whole run and the others what Prefect and the files cost.
"""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

API = os.environ.get("PREFECT_API_URL", "http://127.0.0.1:4200/api")


def ask(path: str, **wanted: Any) -> Any:  # noqa: ANN401  # JSON
    """Post a question."""
    answer = httpx.post(f"{API}/{path}", json=wanted, timeout=30)
    answer.raise_for_status()
    return answer.json()


def newest_run(after: set[str]) -> dict[str, Any] | None:
    """The run that the event started, once it has ended."""
    runs = ask("flow_runs/filter", deployments={"name": {"any_": ["after-step3"]}})
    ended = [run for run in runs if run["id"] not in after and run["state_type"] in {"COMPLETED", "FAILED", "CRASHED"}]
    return ended[0] if ended else None


def seconds(since: datetime, until: str) -> float:
    """From one instant to another."""
    return (datetime.fromisoformat(until) - since).total_seconds()


def repeat(video: Path) -> None:
    """One event, one row."""
    from prefect.events import emit_event

    video.with_name(f"{video.stem}_step4.json").unlink(missing_ok=True)
    before = {run["id"] for run in ask("flow_runs/filter", deployments={"name": {"any_": ["after-step3"]}})}
    asked = datetime.now(UTC)
    emit_event(
        "step3.scenes.ready", {"prefect.resource.id": f"step3.video.{video.stem}"}, payload={"video": str(video)}
    )
    while not (run := newest_run(before)):
        time.sleep(0.5)
    created, started = (seconds(asked, run[name]) for name in ("created", "start_time"))
    published = video.with_name(f"{video.stem}_step4.json").stat().st_mtime - asked.timestamp()
    ended = seconds(asked, run["end_time"])
    print(f"{created:12.1f} {started:12.1f} {published - started:12.1f} {ended - started:12.1f}  {run['state_name']}")


def main() -> None:
    """Print a row per repeat."""
    video, repeats = Path(sys.argv[1]).absolute(), int((sys.argv[2:] or ["3"])[0])
    print("event→run    event→code   code→files   code→end")
    for _ in range(repeats):
        repeat(video)


if __name__ == "__main__":
    main()
