"""A stand-in for STEP3 as its authors would write it: finds scenes, says so, and knows nothing of STEP4."""

import json
import sys
from typing import Any

from prefect import flow
from prefect.events import emit_event


@flow(name="step3")
def find_scenes(payload: dict[str, Any], stem: str) -> None:
    """Pretend to find the scenes of one video, then hand over: the emit_event call is all that STEP4 needs."""
    emit_event(event="step3.scenes.ready", resource={"prefect.resource.id": f"step3.video.{stem}"}, payload=payload)


@flow(name="step3-folder")
def find_scenes_of(folder: str) -> None:
    """Pretend to find the scenes of a folder's videos: completing is all that STEP4 needs."""


if __name__ == "__main__":
    if sys.argv[1] == "--folder":
        find_scenes_of(sys.argv[2])
    else:
        find_scenes(json.loads(sys.argv[1]), sys.argv[2])
