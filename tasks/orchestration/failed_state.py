"""How a stage or a flow run ends that failed on purpose: with one sentence as its state's message, and no traceback.

What is raised inside a task or a flow, Prefect logs with its traceback at each level that it passes, and spells it into
the state's message behind words of its own. So an error of the tree leaves them as a returned state; what nobody
foresaw is raised, and its traceback is wanted.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from tasks.engine.core.errors import Step4Error
from tasks.engine.core.exception_map import map_exception
from tasks.engine.core.printable import printable

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

P = ParamSpec("P")
R = TypeVar("R")

PREFECT_LOGGERS = ("prefect.engine", "prefect.flow_runs", "prefect.task_runs")


def with_failed_state(function: Callable[P, R]) -> Callable[P, R]:
    """Return a task's or flow's function that ends in a failed state where the function raises an error of the tree.

    Whoever called the task or flow gets the error from Prefect, as if it had been raised; see also `result_of`.
    """

    @wraps(function)
    def ending(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            known = map_exception(error)
            if known is None:
                raise
            # Prefect takes a returned state for the end of the run: no caller sees it as a result.
            return cast(R, failed_state(known, with_exit_code(known)))

    return ending


def with_exit_code(error: Step4Error) -> str:
    """Spell an error for whoever knows no more than a state's message, as a batch does: `… (exit code 4)`."""
    return f"{printable(error)} (exit code {error.exit_code})"


def failed_state(error: Step4Error, message: str) -> "State[Any]":
    """Return the state of a run that fails with an error, and let nothing but its message be logged of it."""
    from prefect.states import Failed  # noqa: PLC0415  # two seconds, and only flow runs need it

    for name in PREFECT_LOGGERS:
        logging.getLogger(name).addFilter(is_news)
    return Failed(message=message, data=error)


def is_news(record: logging.LogRecord) -> bool:
    """Tell whether a line of Prefect's says more than the failed state whose message is logged at the end anyway."""
    if not record.exc_info:
        return True
    kind = record.exc_info[0]
    # Without an exception at hand Prefect still asks for its traceback: a stage returned a failed state.
    return kind is not None and not issubclass(kind, Step4Error)


def result_of(ended: R) -> R:
    """Return what a task gave.

    Raises:
        Step4Error: it gave the state that it failed in.
    """
    from prefect.client.schemas.objects import State  # noqa: PLC0415  # as above
    from prefect.states import get_state_exception  # noqa: PLC0415

    if isinstance(ended, State):
        raise cast(Exception, get_state_exception(ended))
    return ended
