"""A driver that hangs, crashes or refuses, and cards that cannot be used: the CPU is taken, and the reason is told."""

import time

import pytest

from tasks.engine.devices import driver

pytestmark = pytest.mark.usefixtures("clean_settings")


def test_a_driver_that_hangs_is_given_up() -> None:
    """The question has a deadline: the run goes on without the device."""
    started = time.monotonic()
    assert driver.check_driver("import time; time.sleep(600)", 1.0) == "the CUDA driver did not answer within 1 s"
    assert time.monotonic() - started < 300


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended with signal 11"),
        ("import sys; sys.exit('the CUDA driver answers with error 803')", "error 803"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_driver_that_crashes_or_refuses_is_left_alone(question: str, told: str) -> None:
    """What happens to the one who asks is what is told."""
    assert told in str(driver.check_driver(question))


def test_no_driver_is_no_trouble() -> None:
    """Most machines have none."""
    assert driver.check_driver("import sys; sys.exit(0)") is None
