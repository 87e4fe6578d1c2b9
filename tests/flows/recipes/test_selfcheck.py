"""The recipe of the self-check, without a flow run around it."""

import pytest
from scripted_runs import TURNS, dependencies

from flows.recipes.selfcheck import check_machine
from tasks.engine.core.errors import UsageError
from tasks.engine.dependencies import use_dependencies
from tasks.engine.testing import ScriptedDiarizer

pytestmark = pytest.mark.usefixtures("clean_settings")


def test_an_answer_is_remembered_until_a_fresh_one_is_asked_for() -> None:
    """The second check computes nothing, and says that it knew; `fresh` computes."""
    diarizer = ScriptedDiarizer(TURNS)
    with use_dependencies(dependencies(diarizer, gpu=True)):
        first = check_machine()
        computed = len(diarizer.calls)
        again = check_machine()
        assert len(diarizer.calls) == computed > 0
        check_machine(fresh=True)

    assert [(one["passed"], one["cached"]) for one in (*first, *again)] == [(True, False), (True, True)]
    assert len(diarizer.calls) == 2 * computed


def test_an_unknown_profile_is_a_wrong_request() -> None:
    """Before anything is computed, with the known ones in the answer."""
    with pytest.raises(UsageError, match="gpu_fp32"):
        check_machine(profile="warp")
