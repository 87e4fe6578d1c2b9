"""What a profile file may say, and how profiles are found by name or alias."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from tasks.engine.core.choices import AutocastDtype, Engine, Precision, Reference
from tasks.engine.core.errors import UsageError

FOLDER = Path(__file__).parent
DEFAULT = "gpu_fp32"

Device = Literal["auto", "cuda", "cpu"]
Step = Annotated[float, Field(gt=0, le=1)]
BatchSize = Literal["auto"] | Annotated[int, Field(ge=1, le=1024)]


class Profile(BaseModel):
    """One file of this folder, `NAME.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    aliases: tuple[str, ...] = ()
    device: Device = Field(description="auto takes CUDA where there is one; cuda fails where there is none.")
    precision: Precision = Field(description="mixed: embeddings in 16 bit; naive: autocast around everything.")
    autocast_dtype: AutocastDtype = Field(
        default=AutocastDtype.FLOAT16,
        # What profiles of your own may still call it.
        validation_alias=AliasChoices("autocast_dtype", "half"),
        description="The 16-bit type of mixed and naive precision.",
    )
    batch_size: BatchSize = Field(default="auto", description="Windows per network pass.")
    level: Literal["rms", "none"] = Field(default="rms", description="Bring the waveform to one level first.")
    engine: Engine = Field(default=Engine.EXACT, description="shared: every second embedded once instead of ten times.")
    segmentation_step: Step | None = Field(
        default=None, description="From one window to the next, as a share of a window; unset: the model set's own."
    )
    fallback: Literal["cpu", "none"] = Field(default="none", description="What follows a device failure.")
    reference: Reference = Field(default=Reference.CPU, description="What the output is held against.")
    models: str = Field(default="offline", description="offline, a hub id, or a folder.")

    @property
    def unsafe(self) -> bool:
        """Tell whether it computes as the incident did: for trials, never for production."""
        return self.precision is Precision.NAIVE


def all_profiles() -> dict[str, Profile]:
    """Return every profile by name, the default first.

    Raises:
        UsageError: a file does not follow the schema.
    """
    files = sorted(FOLDER.glob("*.toml"), key=lambda path: (path.stem != DEFAULT, path.stem))
    return {path.stem: read_profile(path) for path in files}


def read_profile(path: Path) -> Profile:
    """Read one file.

    Raises:
        UsageError: not TOML, or not of the schema.
    """
    try:
        return Profile.model_validate({**tomllib.loads(path.read_text(encoding="utf-8")), "name": path.stem})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"profile file {path} is not TOML: {error}") from error
    except ValidationError as error:
        raise UsageError(f"profile file {path}: {explain(error)}") from error


def get_profile(name: str) -> Profile:
    """Return the profile of that name or alias.

    Raises:
        UsageError: unknown, with the names that are known.
    """
    profiles = all_profiles()
    for profile in profiles.values():
        if name == profile.name or name in profile.aliases:
            return profile
    known = ", ".join(" = ".join((profile.name, *profile.aliases)) for profile in profiles.values())
    raise UsageError(f"unknown profile {name!r}: expected one of {known}")


def explain(error: ValidationError) -> str:
    """Put a validation error into one sentence: where, what was found, what would be accepted."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}, found {str(problem['input'])[:60]!r}"
        for problem in error.errors(include_url=False)
    )
