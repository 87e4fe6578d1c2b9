"""Flow parameters as the form in the Prefect UI shows them: title, help, bounds, choices. Their order is the flow's.

The server holds what is sent against this schema before a run exists. No field takes "this or nothing", which the UI
shows as a switch of types: a choice begins at `as configured`, a text at nothing, a count at 0, a seed at -1. Choices
of profiles are read when a flow is deployed: deploy again after adding a file to profiles/.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from profiles.profile import Profile, all_profiles
from tasks.engine.core import choices
from tasks.engine.core.choices import AS_CONFIGURED


def shown(title: str, description: str, schema: Mapping[str, Any] | None = None, **bounds: Any) -> Any:  # noqa: ANN401  # a field
    """Describe a field of the form.

    Prefect titles a field with the parameter's name and describes it from the docstring; what is said as
    `json_schema_extra` comes last.

    Args:
        title: above the field.
        description: below the title.
        schema: of the form alone, where Python has its own: a path has no length.
        bounds: of the form and of Python.
    """
    return Field(json_schema_extra={"title": title, "description": description, **(schema or {})}, **bounds)


def chosen(title: str, description: str, explained: Mapping[str, str], otherwise: str) -> Any:  # noqa: ANN401  # a field
    """Describe a choice that begins at what the worker is set to.

    Args:
        title: above the field.
        description: what is chosen; "" where the title says it.
        explained: every choice beside the first, with what it does; "" where another's words are its own.
        otherwise: where the first choice finds its answer.
    """
    lines = (f"{name}: {what}" for name, what in {AS_CONFIGURED: otherwise, **explained}.items() if what)
    # The UI shows no line breaks.
    text = " • ".join((*filter(None, [description]), *lines))
    return shown(title, text, {"enum": [AS_CONFIGURED, *explained], "default": AS_CONFIGURED})


def words_unless_left_alone(value: object) -> object:
    """Take what a form sends for a choice or a text that nobody touched for no answer."""
    return None if isinstance(value, str) and value in {AS_CONFIGURED, ""} else value


def number_unless(beginning: int) -> BeforeValidator:
    """Take the number that a field begins at for no answer, and no other value: False equals 0, and is no count."""

    def unless_left_alone(value: object) -> object:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return None if number and value == beginning else value

    return BeforeValidator(unless_left_alone)


def not_empty(path: object) -> object:
    """Refuse an empty path, which Python takes for the working folder.

    Raises:
        ValueError: it is one.
    """
    if path == "":
        raise ValueError("a path is needed, and this is an empty text")
    return path


def explained_profiles(profiles: Iterable[Profile]) -> dict[str, str]:
    """Return every name and alias that a profile answers to with its description, unsafe ones last and called so."""
    explained: dict[str, str] = {}
    for profile in sorted(profiles, key=lambda one: one.unsafe):
        what = profile.description.removesuffix(".")
        explained |= {profile.name: f"UNSAFE, for trials only. {what}" if profile.unsafe else what}
        explained |= dict.fromkeys(profile.aliases, f"another name of {profile.name}")
    return explained


def explained(vocabulary: Iterable[choices.Explained]) -> dict[str, str]:
    """Return every choice with what it does."""
    return {choice.value: choice.explanation for choice in vocabulary}


TEXT = WithJsonSchema({"type": "string"})
WHOLE_NUMBER = WithJsonSchema({"type": "integer"})
ABSOLUTE = WithJsonSchema({"type": "string", "format": "path", "pattern": "^/"})
"""A worker's working folder is not the sender's: a relative path would name something else, or nothing."""
UNTOUCHED = BeforeValidator(words_unless_left_alone)
NO_COUNT = number_unless(0)
DATE_AS_SEED = -1
"""0 is a seed like any other; one below 0 would draw what its opposite draws, as `random.Random` reads it."""
EMPTY = {"default": ""}
UP_TO_255 = {"default": 0, "minimum": 0, "maximum": 255}
YES_OR_NO = {"yes": "", "no": ""}

Count = Annotated[int, Field(ge=1, le=255)]
AbsolutePath = Annotated[Path, BeforeValidator(not_empty), ABSOLUTE]
Video = Annotated[
    AbsolutePath, shown("Video", "Whole path of the file to analyse, as the worker sees it: video, or audio alone.")
]
ProfileName = Annotated[
    str | None,
    UNTOUCHED,
    TEXT,
    chosen(
        "Profile",
        "Device, precision and batch choices.",
        explained_profiles(all_profiles().values()),
        "the worker's AUDIO_PROFILE, else gpu_fp32",
    ),
]
Output = Annotated[
    Path | None,
    UNTOUCHED,
    TEXT,
    shown(
        "Output folder",
        "Whole path of the folder to publish in. Left empty: beside the video.",
        {**EMPTY, "pattern": "^(/|$)"},
    ),
]
Reference = Annotated[
    choices.Reference | None,
    UNTOUCHED,
    TEXT,
    chosen(
        "Reference",
        "What the output is held against.",
        explained(choices.Reference),
        "the worker's STEP4_REFERENCE, else the profile's, cpu",
    ),
]
OnDrift = Annotated[
    choices.OnDrift | None,
    UNTOUCHED,
    TEXT,
    chosen("On drift", "", explained(choices.OnDrift), "the worker's STEP4_ON_DRIFT, else fail"),
]
Models = Annotated[
    str | None,
    UNTOUCHED,
    TEXT,
    shown(
        "Models",
        "offline, a hub id such as pyannote/speaker-diarization-3.1, or a folder. Left empty: the worker's "
        "STEP4_MODELS, else the profile's, offline.",
        EMPTY,
    ),
]
NumSpeakers = Annotated[
    Count | None,
    NO_COUNT,
    WHOLE_NUMBER,
    shown(
        "Speakers",
        "How many people speak, 1 to 255. 0: the worker's STEP4_NUM_SPEAKERS unless bounds are given, else not known.",
        UP_TO_255,
    ),
]
MinSpeakers = Annotated[
    Count | None,
    NO_COUNT,
    WHOLE_NUMBER,
    shown(
        "Fewest speakers",
        "Find at least so many, 1 to 255. 0: the worker's STEP4_MIN_SPEAKERS unless Speakers is given, else any.",
        UP_TO_255,
    ),
]
MaxSpeakers = Annotated[
    Count | None,
    NO_COUNT,
    WHOLE_NUMBER,
    shown(
        "Most speakers",
        "Find at most so many, 1 to 255. 0: the worker's STEP4_MAX_SPEAKERS unless Speakers is given, else any.",
        UP_TO_255,
    ),
]
Exclusive = Annotated[
    bool | None,
    UNTOUCHED,
    TEXT,
    chosen(
        "One speaker at a time",
        "Also publish the turns with one speaker at a time.",
        YES_OR_NO,
        "the worker's STEP4_EXCLUSIVE, else no",
    ),
]
Refresh = Annotated[
    bool, shown("Refresh", "Write _audio.json and .rttm anew, although a later step changed them since.")
]
AudioTrack = Annotated[
    str | None,
    UNTOUCHED,
    TEXT,
    shown(
        "Audio track",
        "Of a file with several: index as ffprobe counts, language (fr, fra) or title. Left empty: the worker's "
        "STEP4_AUDIO_TRACK, else the picture's own programme, no audio description, the default track, the first.",
        EMPTY,
    ),
]
AcceptTruncated = Annotated[
    bool | None,
    UNTOUCHED,
    TEXT,
    chosen(
        "Accept truncated",
        "Publish a recording that was cut up to where it ends, marked so.",
        YES_OR_NO,
        "the worker's STEP4_ACCEPT_TRUNCATED, else such a file is refused",
    ),
]
Fresh = Annotated[bool, shown("Fresh", "Check again even where the answer is known.")]
Automation = Annotated[str, shown("Automation", "What was triggered.")]
TriggeringEvent = Annotated[str, shown("Event", "Id of the event that started nothing, where it is known.")]
Reason = Annotated[str, shown("Reason", "Why no run was started, in the server's words.")]
Folders = Annotated[
    list[AbsolutePath],
    shown(
        "Folders", "Whole paths of where to look, everything below included, as the worker sees it.", {"minItems": 1}
    ),
]
InFlight = Annotated[
    int, shown("Runs in flight", "Flow runs on the server at a time, waiting ones included: 1 to 200.", ge=1, le=200)
]
Deployment = Annotated[str, shown("Deployment", "Whose workers take the runs, as flow/deployment.", min_length=1)]
Here = Annotated[bool, shown("Here", "Run the videos in the batch's own process, one after the other.")]
Sample = Annotated[int, shown("Sample", "How many timelines to draw, spread over devices and profiles.", ge=1)]
Seed = Annotated[
    Annotated[int, Field(ge=0)] | None,
    number_unless(DATE_AS_SEED),
    WHOLE_NUMBER,
    shown(
        "Seed",
        f"Repeats an earlier draw, 0 or more. {DATE_AS_SEED}: today's date.",
        {"default": DATE_AS_SEED, "minimum": DATE_AS_SEED},
    ),
]
