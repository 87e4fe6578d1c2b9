"""Dependencies: the real ones by default, others for the length of a block."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

import pytest

from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import Dependencies, current_dependencies, no_progress, use_dependencies, utc_now
from tasks.engine.devices import facts
from tasks.engine.diagnosis import patching
from tasks.engine.inference import diarizer
from tasks.engine.system import sandbox
from tasks.engine.testing import ScriptedDiarizer


def test_the_default_is_the_real_world() -> None:
    """Whoever sets nothing gets ffmpeg in its sandbox, the devices that are there, and the networks."""
    real = current_dependencies()

    assert real == Dependencies()
    assert (real.run_probe, real.run_ffmpeg, real.device_facts) == (sandbox.run, sandbox.run, facts.probe)
    assert (real.diarizer, real.explainer) == (diarizer.diarize, patching.explain)


def test_others_hold_for_the_length_of_a_block() -> None:
    """Blocks may be nested; an error ends one like anything else."""
    outer, inner = (Dependencies(diarizer=ScriptedDiarizer((Turn(0, end, "A"),))) for end in (1.0, 2.0))

    def fail() -> None:
        with use_dependencies(inner):
            assert current_dependencies() is inner
            raise ZeroDivisionError

    with use_dependencies(outer):
        with pytest.raises(ZeroDivisionError):
            fail()
        assert current_dependencies() is outer
    assert current_dependencies() == Dependencies()


def test_another_thread_is_not_affected() -> None:
    """Two runs in one process do not see each other's."""
    with use_dependencies(Dependencies(progress=print)), ThreadPoolExecutor(1) as pool:
        assert pool.submit(current_dependencies).result() == Dependencies()


def test_the_clock_is_in_utc() -> None:
    """The manifest's time does not depend on where the machine stands."""
    assert utc_now().tzinfo is UTC


def test_progress_is_discarded_unless_somebody_watches() -> None:
    """The default takes what a diarizer reports and returns nothing."""
    no_progress("segmentation", 1, 2)

    assert Dependencies().progress is no_progress


def test_importing_the_dependencies_loads_no_torch() -> None:
    """Commands that compute nothing start at once: torch takes seconds."""
    code = "import sys, tasks.engine.dependencies; print([n for n in ('torch', 'pyannote') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
