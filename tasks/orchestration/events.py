"""Prefect events that STEP5 and operators hang automations on, with the facts as payload.

    step4.timeline.published   files were published, or found published
    step4.drift.detected       the gate refused a candidate
    step4.device.fallback      a device failed, and the CPU does its work
    step4.media.refused        the video cannot be used

A self-check sends `step4.selfcheck.passed`, `.diverged` or `.failed`, of the resource `step4.device`. Each other one
concerns the resource `step4.video.<stem>`; the flow run, and `step4.profile.<name>` where it is known, are
related. Nothing secret is in a run's facts.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.engine.core.choices import FAILED, Decision
from tasks.engine.core.errors import MediaError
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.publishing.manifest import Published
from tasks.orchestration.connection import best_effort, connected
from tasks.orchestration.run_names import name_run
from tasks.run import Run

LONGEST_TEXT = 2000
"""Characters of an error in a payload: an event has to stay small."""


def emit(kind: str, video: Path, profile: str | None, payload: Mapping[str, Any]) -> None:
    """Send `step4.<kind>` for a video, where a server listens. The sender is a thread of Prefect's: nobody waits."""
    if not connected():
        return
    from prefect.events import emit_event  # noqa: PLC0415  # loaded where a flow run is

    related = [{"prefect.resource.id": f"step4.profile.{profile}", "prefect.resource.role": "profile"}]
    with best_effort(f"The event step4.{kind}"):
        emit_event(
            event=f"step4.{kind}",
            resource={"prefect.resource.id": f"step4.video.{video.stem}", "prefect.resource.name": video.name},
            related=related if profile else [],
            payload={"video": str(video), **payload},
        )


def announce_published(run: Run, published: Published) -> None:
    """Send `step4.timeline.published`, which STEP5 waits for; `already`: was it found, and nothing computed?"""
    manifest = published.manifest
    payload = {
        **_of_run(run),
        "manifest": str(published.path),
        "files": [str(run.output / name) for name in manifest["files"]],
        "verdict": manifest["verdict"],
        "verdict_sentence": manifest["verdict_sentence"],
        "device": manifest["device"]["device"],
        "fallback_reason": manifest["device"].get("fallback_reason"),
        "substituted": manifest["substituted"],
        "summary": manifest["summary"],
        "already": published.already,
    }
    emit("timeline.published", run.media.path, run.configuration.profile, payload)
    name_run(run.stem, run.configuration.profile, ending_of(manifest))


def ending_of(manifest: Mapping[str, Any]) -> str:
    """Return how a publication came about, in a word or two of a run's name: by its verdict, where that says it all."""
    if manifest["source"]["samples_sha256"] is None:
        # Silence agrees on every device, and may be a wrong file.
        return "no audio"
    return "substituted" if manifest["substituted"] else str(manifest["verdict"])


def announce_drift(run: Run, report: DriftReport, decision: Decision) -> None:
    """Send `step4.drift.detected`: the criteria beyond their limits, the first stage that diverged, what was done."""
    if report.verdict not in FAILED:
        return
    payload = {
        **_of_run(run),
        "verdict": str(report.verdict),
        "verdict_sentence": report.sentence,
        "action": decision.name.lower(),
        "failed": [criterion.to_dict() for criterion in report.failed],
        "first_diverged": str(report.localization.stage) if report.localization else None,
        "device": run.plan.device,
        "precision": run.plan.precision,
        "refused": str(run.refused) if decision is Decision.REFUSE else None,
    }
    emit("drift.detected", run.media.path, run.configuration.profile, payload)
    name_run(run.stem, run.configuration.profile, str(report.verdict))


def announce_fallback(run: Run, failed: DevicePlan, reason: str) -> None:
    """Send `step4.device.fallback` as it happens, since what follows on the CPU may take hours."""
    payload = {**_of_run(run), "device": failed.device, "device_name": failed.device_name, "reason": reason}
    emit("device.fallback", run.media.path, run.configuration.profile, payload)


@contextmanager
def refusal_announced(video: Path, profile: str) -> Iterator[None]:
    """Send `step4.media.refused` where the block ends because the video cannot be used."""
    try:
        yield
    except MediaError as error:
        reason = str(error)[:LONGEST_TEXT]
        emit("media.refused", video, profile, {"reason": reason, "exit_code": error.exit_code})
        name_run(video.stem, profile, "refused")
        raise


def _of_run(run: Run) -> dict[str, Any]:
    return {"output": str(run.output), "profile": run.configuration.profile}


def announce_selfcheck(outcome: str, device_name: str, checks: list[dict[str, Any]]) -> None:
    """Send `step4.selfcheck.passed`, `.diverged` or `.failed`, of the resource `step4.device`."""
    if not connected():
        return
    from prefect.events import emit_event  # noqa: PLC0415

    with best_effort(f"The event step4.selfcheck.{outcome}"):
        emit_event(
            event=f"step4.selfcheck.{outcome}",
            resource={"prefect.resource.id": "step4.device", "prefect.resource.name": device_name},
            payload={"checks": checks},
        )
