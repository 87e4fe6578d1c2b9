"""`make demo`: whole in a bare system by `.ci/fresh-debian`; here, that it asks what `step4 run` asks."""

import inspect

from flows.cli.run import run
from flows.server.demo import OPTIONS


def test_the_demo_knows_every_option_of_run() -> None:
    """An option that is added to `step4 run` must not break the first command that people try."""
    assert {*OPTIONS, "profile", "videos", "as_json"} == set(inspect.signature(run).parameters)
