"""A place on the GPU: where runs share a machine, a Prefect concurrency limit says how many may infer at a time.

`STEP4_GPU_SLOT` names the limit, one per machine, such as `gpu:render-1`. Unset, as on a laptop: no place is needed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tasks.engine.core.errors import UsageError
from tasks.engine.dependencies import Dependencies
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.system.environment import machine_settings
from tasks.orchestration.connection import best_effort, in_flow_run

VARIABLE = "STEP4_GPU_SLOT"
LEASE_SEC = 60.0
"""A place whose holder died is free again after this long; the holder renews it meanwhile. Prefect's least."""


def in_gpu_slot(dependencies: Dependencies) -> Dependencies:
    """Return the same, whose inference waits for a place where it is planned on a GPU. CPU work waits for nothing."""
    limit = machine_settings().gpu_slot
    # Without a server there is nobody to share the machine with by such a limit.
    if not limit or not in_flow_run():
        return dependencies
    return replace(
        dependencies, diarizer=_waiting(dependencies.diarizer, limit), explainer=_waiting(dependencies.explainer, limit)
    )


def _waiting(infer: Callable[..., Any], limit: str) -> Callable[..., Any]:
    """Return a diarizer or an explainer that holds the place for as long as it runs."""

    def infer_in_slot(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # stands for either
        plan = next(argument for argument in arguments if isinstance(argument, DevicePlan))
        if plan.on_cpu:
            return infer(*arguments, **options)
        with slot(limit):
            return infer(*arguments, **options)

    return infer_in_slot


@contextmanager
def slot(limit: str) -> Iterator[None]:
    """Hold one place of a limit. A server that goes away meanwhile does not end the work, nor hide how it ended.

    Raises:
        UsageError: the server knows no such limit.
    """
    from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError  # noqa: PLC0415  # flow runs only
    from prefect.concurrency.sync import concurrency  # noqa: PLC0415

    # Without `strict` a misspelt limit would let everybody in.
    place = concurrency(limit, lease_duration=LEASE_SEC, strict=True, raise_on_lease_renewal_failure=False)
    try:
        place.__enter__()
    except ConcurrencySlotAcquisitionError as error:
        raise UsageError(
            f"{VARIABLE} = {limit}: {error}; where there is none yet: prefect gcl create {limit} --limit 1"
        ) from error
    try:
        yield
    finally:
        # A place that could not be given back is free again when its lease ends.
        with best_effort("The return of the place on the GPU"):
            place.__exit__(None, None, None)
