"""Stages of a recipe: plain functions, which are Prefect tasks wherever a flow run is under way.

So one recipe serves both: `step4 run` calls the functions themselves, without a server and without loading Prefect;
inside a flow run each call is a task run with states, retries and artifacts.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar
from uuid import UUID

from tasks.orchestration.connection import in_flow_run
from tasks.orchestration.failed_state import result_of, with_failed_state

if TYPE_CHECKING:
    from prefect.tasks import Task

P = ParamSpec("P")
R = TypeVar("R")

Retry = Callable[..., Any]
"""Called with the stage's argument and what it raised; gives the argument of a second attempt, or None for none."""


class Stage(Generic[P, R]):
    """A plain function, and the Prefect task that it becomes inside a flow run.

    Args:
        function: what the stage does.
        name: of the task, as the Prefect UI shows it.
        retry: of a stage with one argument: whether a failure deserves another attempt, and with what.
    """

    def __init__(self, function: Callable[P, R], name: str, retry: Retry | None = None) -> None:
        self.function = function
        self.name = name
        self.retry = retry
        # Argument of the second attempt by task run: Prefect hands a retry nothing of the failure.
        self.second_attempts: dict[UUID, Any] = {}
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the stage: as a task inside a flow run, else as the function that it is."""
        if in_flow_run():
            return result_of(self.task(*args, **kwargs))
        try:
            return self.function(*args, **kwargs)
        except Exception as error:
            again = self.retry(*args, error) if self.retry else None
            if again is None:
                raise
        return self.function(again)  # type: ignore[call-arg]  # a stage with a retry has one argument

    def start(self, *args: P.args, **kwargs: P.kwargs) -> Callable[[], R]:
        """Start the stage beside what follows; the function returned waits for its result, or raises its error."""
        if in_flow_run():
            return self.task.submit(*args, **kwargs).result
        thread = ThreadPoolExecutor(1, thread_name_prefix=self.name)
        pending = thread.submit(copy_context().run, lambda: self(*args, **kwargs))
        thread.shutdown(wait=False)
        return pending.result

    @cached_property
    def task(self) -> "Task[P, R]":
        """The Prefect task. Nothing is cached by Prefect: the project keeps finished inferences by their content."""
        from prefect import task  # noqa: PLC0415  # two seconds, and only flow runs need it
        from prefect.cache_policies import NO_CACHE  # noqa: PLC0415

        if self.retry is None:
            return task(name=self.name, cache_policy=NO_CACHE)(with_failed_state(self.function))

        def retries(_task: Any, run: Any, state: Any) -> bool:  # noqa: ANN401  # Prefect's task, task run and state
            return run.id in self.second_attempts and state.is_failed()

        options = {"name": self.name, "retries": 1, "retry_condition_fn": retries, "cache_policy": NO_CACHE}
        return task(**options)(with_failed_state(self._attempt))  # type: ignore[call-overload, no-any-return]

    def _attempt(self, argument: Any) -> R:  # noqa: ANN401  # the stage's own
        """Make one attempt of a task run; what it raises may leave an argument for a second one."""
        from prefect.runtime import task_run  # noqa: PLC0415

        run = UUID(str(task_run.id))
        argument = self.second_attempts.pop(run, argument)
        try:
            return self.function(argument)  # type: ignore[call-arg]  # as above
        except Exception as error:
            again = self.retry(argument, error) if self.retry else None
            if again is not None:
                self.second_attempts[run] = again
            raise


def stage(name: str, *, retry: Retry | None = None) -> Callable[[Callable[P, R]], Stage[P, R]]:
    """Make a plain function a stage of that name.

    Args:
        name: of the Prefect task.
        retry: see `Stage`.
    """
    return lambda function: Stage(function, name, retry)
