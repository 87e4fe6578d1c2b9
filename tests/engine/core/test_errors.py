"""The error tree."""

import logging
from collections.abc import Iterator

from tasks.engine.core import errors
from tasks.engine.core.errors import BatchError, Step4Error, one_line


def tree(root: type[Step4Error] = Step4Error) -> Iterator[type[Step4Error]]:
    """A class and all below it."""
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def test_every_class_has_one_exit_code_and_one_level() -> None:
    """The codes are those that scripts rely on; the drawing names every class with its code."""
    drawn = errors.__doc__ or ""
    for kind in set(tree()) - {errors.BatchError}:  # has its worst video's
        assert kind.exit_code in {1, 2, 3, 4, 5, 6, 7}
        assert kind.log_level in {logging.WARNING, logging.ERROR, logging.CRITICAL}
        line = next(line for line in drawn.splitlines() if f"{kind.__name__} " in line)
        assert line.split(kind.__name__)[1].split()[0] == str(kind.exit_code)


def test_a_batch_fails_with_its_worst_videos_code() -> None:
    """The code and the report are the error's own; a stored error is built from its message alone."""
    error = BatchError("2 of 3 failed", 5, {"videos": 3})

    assert (error.exit_code, error.report, str(error)) == (5, {"videos": 3}, "2 of 3 failed")
    assert (BatchError("x").exit_code, BatchError("x").report) == (1, {})


def test_an_error_of_a_library_is_put_on_one_line() -> None:
    """It is quoted in a sentence of ours; one without a text has a name."""
    assert one_line(ValueError("two\n  lines")) == "two lines"
    assert one_line(KeyboardInterrupt()) == "KeyboardInterrupt"
