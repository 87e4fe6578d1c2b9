"""Flow parameters as the form in the Prefect UI shows them: title, help, bounds, choices. Their order is the flow's.

The server holds what is sent against this schema before a run exists. Choices of profiles are read when a flow is
deployed: deploy again after adding a file to profiles/.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from profiles.profile import all_profiles
from tasks.engine.core import choices


def shown(title: str, description: str, schema: Mapping[str, Any] | None = None, **bounds: Any) -> Any:  # noqa: ANN401  # a field
    """Describe a field of the form.

    Prefect titles a field with the parameter's name and describes it from the docstring; what is said as
    `json_schema_extra` comes last.

    Args:
        title: above the field.
        description: below the title.
        schema: bounds of the form alone, where Python has its own: a path has no length.
        bounds: of the form and of Python.
    """
    return Field(json_schema_extra={"title": title, "description": description, **(schema or {})}, **bounds)


def inlined(vocabulary: type[StrEnum]) -> WithJsonSchema:
    """List the accepted values in the field itself, where the form needs to follow no reference."""
    return WithJsonSchema({"type": "string", "enum": list(vocabulary)})


def not_empty(path: object) -> object:
    """Refuse an empty path, which Python takes for the working folder.

    Raises:
        ValueError: it is one.
    """
    if path == "":
        raise ValueError("a path is needed, and this is an empty text")
    return path


def profile_names() -> list[JsonValue]:
    """Return every name and alias that a profile answers to, those of your own files included."""
    return [name for profile in all_profiles().values() for name in (profile.name, *profile.aliases)]


SomePath = Annotated[Path, BeforeValidator(not_empty), Field(json_schema_extra={"minLength": 1})]
Video = Annotated[
    Annotated[Path, BeforeValidator(not_empty)],
    shown("Video", "Path of the file to analyse, as the worker sees it: video, or audio alone.", {"minLength": 1}),
]
ProfileName = Annotated[
    Annotated[str, Field(json_schema_extra={"enum": profile_names()})] | None,
    shown("Profile", "Device, precision and batch choices. Left at None: the worker's AUDIO_PROFILE, else gpu_fp32."),
]
Output = Annotated[SomePath | None, shown("Output folder", "Where to publish. Left at None: beside the video.")]
Reference = Annotated[
    Annotated[choices.Reference, inlined(choices.Reference)] | None,
    shown(
        "Reference",
        "What the output is held against. cpu: compute it, or take it from an earlier run; sampled: compute a tenth of "
        "it, and all where that raises a doubt; stored: only from an earlier run; none: publish unverified. "
        "Left at None: the worker's STEP4_REFERENCE, else the profile's, cpu.",
    ),
]
OnDrift = Annotated[
    Annotated[choices.OnDrift, inlined(choices.OnDrift)] | None,
    shown(
        "On drift",
        "fail: publish nothing and fail the run; substitute: publish the reference; warn: publish, marked as drift. "
        "Left at None: the worker's STEP4_ON_DRIFT, else fail.",
    ),
]
Models = Annotated[
    Annotated[str, Field(min_length=1)] | None,
    shown(
        "Models",
        "offline, a hub id such as pyannote/speaker-diarization-3.1, or a folder. Left at None: the profile's.",
    ),
]
NumSpeakers = Annotated[
    int | None, shown("Speakers", "How many people speak, where that is known: 1 to 255.", ge=1, le=255)
]
MinSpeakers = Annotated[
    int | None, shown("Fewest speakers", "Find at least so many: 1 to 255. Nothing beside Speakers.", ge=1, le=255)
]
MaxSpeakers = Annotated[
    int | None, shown("Most speakers", "Find at most so many: 1 to 255. Nothing beside Speakers.", ge=1, le=255)
]
Exclusive = Annotated[
    bool | None,
    shown(
        "One speaker at a time",
        "Also publish the turns with one speaker at a time. Left at None: the worker's STEP4_EXCLUSIVE, else no.",
    ),
]
Refresh = Annotated[
    bool, shown("Refresh", "Write _audio.json and .rttm anew, although a later step changed them since.")
]
AudioTrack = Annotated[
    Annotated[str, Field(min_length=1)] | None,
    shown(
        "Audio track",
        "Of a file with several: index as ffprobe counts, language (fr, fra) or title. Left at None: the picture's own "
        "programme, no audio description, the default track, the first.",
    ),
]
AcceptTruncated = Annotated[
    bool | None,
    shown(
        "Accept truncated",
        "Publish a recording that was cut up to where it ends, marked so. Left at None: the worker's "
        "STEP4_ACCEPT_TRUNCATED, else such a file is refused.",
    ),
]
Fresh = Annotated[bool, shown("Fresh", "Check again even where the answer is known.")]
Automation = Annotated[str, shown("Automation", "What was triggered.")]
Reason = Annotated[str, shown("Reason", "Why no run was started, in the server's words.")]
Folders = Annotated[
    list[SomePath],
    shown("Folders", "Where to look, everything below included, as the worker sees it.", {"minItems": 1}),
]
InFlight = Annotated[
    int, shown("Runs in flight", "Flow runs on the server at a time, waiting ones included: 1 to 200.", ge=1, le=200)
]
Deployment = Annotated[str, shown("Deployment", "Whose workers take the runs, as flow/deployment.", min_length=1)]
Here = Annotated[bool, shown("Here", "Run the videos in the batch's own process, one after the other.")]
Sample = Annotated[int, shown("Sample", "How many timelines to draw, spread over devices and profiles.", ge=1)]
Seed = Annotated[int | None, shown("Seed", "Repeats an earlier draw. Left at None: today's date.")]
