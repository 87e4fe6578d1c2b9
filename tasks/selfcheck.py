"""Does this machine's accelerator agree with its CPU? Asked before videos are, and remembered.

A device that is out of memory, because another process holds it, has given no answer to remember: what was known of it
stays, the next check asks again, and a run on it has its own second attempt on the CPU. Any other failure is remembered
like a divergence: runs then take the CPU at once, until a check finds the device repaired.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tasks.engine.core import log_lines
from tasks.engine.core.choices import Verdict
from tasks.engine.core.errors import BatchError, DriftError, EngineError
from tasks.engine.core.exception_map import is_out_of_memory
from tasks.engine.devices.facts import DeviceFacts
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.diagnosis.selfcheck import SelfCheck, check, degrade, remember, remembered
from tasks.engine.inference.types import Diarizer, Parameters
from tasks.orchestration.artifacts import show_table
from tasks.orchestration.events import announce_selfcheck
from tasks.orchestration.run_names import name_ending
from tasks.orchestration.stage import stage

log = logging.getLogger("step4.selfcheck")

EXIT_CODES = {"diverged": DriftError.exit_code, "failed": EngineError.exit_code}


def selfcheck(
    plan: DevicePlan,
    facts: DeviceFacts,
    models: dict[str, str],
    parameters: Parameters,
    diarizer: Diarizer,
    *,
    fresh: bool = False,
) -> tuple[SelfCheck, ...]:
    """Check a plan, and each safer one that a divergence leads to, until one passes.

    Args:
        plan: what a profile asks for on this machine.
        facts: the machine, part of what an answer depends on.
        models: name to sha256 of the model files, likewise.
        parameters: the model set and decisions.
        diarizer: runs the networks.
        fresh: check again even where the answer is known.

    Returns:
        The answers in order, the last one's plan being what runs will use.
    """
    answers: list[SelfCheck] = []

    def ask(candidate: DevicePlan) -> SelfCheck:
        known = None if fresh else remembered(candidate, facts, models)
        answer = known or examine(candidate, parameters, diarizer)
        if not known and not answer.transient:
            remember(answer, candidate, facts, models)
        answers.append(answer)
        return answer

    candidate = degrade(plan, ask)
    if candidate.is_reference and not answers:
        ask(candidate)
    return tuple(answers)


def examine(plan: DevicePlan, parameters: Parameters, diarizer: Diarizer) -> SelfCheck:
    """Check a plan, where a failing device or a NaN is an answer too, unless it had no memory just now."""
    try:
        return check(plan, parameters, diarizer)
    except EngineError as error:
        log.warning("%s (%s): %s", plan.device, plan.precision, error)
        return SelfCheck(
            plan.device,
            plan.device_name,
            plan.precision,
            str(Verdict.NOT_COMPARABLE),
            (),
            note=str(error),
            transient=is_out_of_memory(error),
        )


def trusted_plan(
    plan: DevicePlan,
    known: Callable[[DevicePlan], SelfCheck | None],
    check_low_precision: Callable[[str, str], str | None],
) -> DevicePlan:
    """Return the plan, made safer where this machine is known, or found now, not to bear it.

    Args:
        plan: what the profile asks for.
        known: remembered self-checks.
        check_low_precision: tries 16-bit arithmetic on a device; asked before mixed precision is used. The naive
            precision is for provoking trouble, so it is left alone.
    """
    trouble = check_low_precision(plan.device, plan.autocast_dtype) if plan.precision == "mixed" else None
    safe = replace(plan, precision="fp32", reason=f"{plan.reason}; {trouble}") if trouble else plan
    safe = safe if safe.precision == "naive" else degrade(safe, known)
    if safe.precision != plan.precision:
        log.warning(log_lines.DIVERGENCE_TO_FP32)
    if safe.on_cpu and not plan.on_cpu:
        log.warning(log_lines.CUDA_FALLBACK, safe.fallback_reason)
    return safe


def announce(answers: tuple[SelfCheck, ...]) -> list[dict[str, Any]]:
    """Show and send the outcome, name the run by it, and return the answers as they stand in the event.

    Raises:
        BatchError: the profile's own plan did not pass; the report holds the answers.
    """
    checks, wanted, used = [answer.to_dict() for answer in answers], answers[0], answers[-1]
    announce_selfcheck(wanted.outcome, wanted.device_name, checks)
    sentence = f"{wanted.device_name} under {wanted.precision}: {wanted.outcome}"
    if not wanted.passed:
        instead = f"runs compute on {used.device_name} under {used.precision}" if used.passed else "runs take the CPU"
        sentence = f"{sentence} ({wanted.note or wanted.verdict}); {instead} until a check passes"
    show_table("step4-selfcheck", [row for answer in answers for row in rows(answer)], sentence)
    name_ending(wanted.outcome)
    if not wanted.passed:
        raise BatchError(sentence, EXIT_CODES[wanted.outcome], {"checks": checks})
    return checks


def rows(answer: SelfCheck) -> list[dict[str, Any]]:
    """Return a table's rows for a plan: one per level, or one that says why nothing was compared."""
    plan = {"device": answer.device_name, "precision": answer.precision}
    if not answer.levels:
        return [{**plan, "level": "", "verdict": answer.verdict, "said": answer.note or ""}]
    return [
        {**plan, "level": f"{level.level_db} dB", "verdict": level.verdict, "said": level.sentence}
        for level in answer.levels
    ]


selfcheck_task = stage("selfcheck")(selfcheck)
trusted_plan_task = stage("trusted-plan")(trusted_plan)
announce_task = stage("announce")(announce)
