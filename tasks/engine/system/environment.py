"""What a machine is set to: folders, the GPU limit and the hub's token, from the environment or `.env`."""

import platform
from pathlib import Path

from platformdirs import user_cache_path, user_state_path
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.engine.system.env_file import require_readable
from tasks.engine.system.home import ensure_home

ENV_FILE = Path(".env")
TOKEN_VARIABLES = ("HF_TOKEN", "HUGGINGFACE_HUB_TOKEN", "HF_AUTH_TOKEN")


class MachineSettings(BaseSettings):
    """Settings of a machine, whatever the video and the profile; the environment beats `.env` of the working folder.

    Attributes:
        models_dir: where the offline models lie; None: `models/` at the top of the project.
        cache_dir: where answers of self-checks are kept.
        diagnostics_dir: where `debug/`, `logs/` and `profiling/` are written.
        reports_dir: where runs put the page of a drift for a web server to show; None: nowhere.
        reports_url: the address of that folder on the web server.
        gpu_slot: name of the Prefect concurrency limit that GPU inference takes a place of; None: no limit.
        hub_token: the Hugging Face hub's token.
    """

    model_config = SettingsConfigDict(env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", case_sensitive=False)

    models_dir: Path | None = Field(
        default=None, validation_alias="STEP4_MODELS_DIR", description="Where the offline models lie."
    )
    cache_dir: Path = Field(
        default_factory=lambda: user_cache_path("step4"),
        validation_alias="STEP4_CACHE_DIR",
        description="Where answers of self-checks are kept.",
    )
    diagnostics_dir: Path = Field(
        default_factory=lambda: user_state_path("step4"),
        validation_alias="STEP4_DIAGNOSTICS_DIR",
        description="Where debug/, logs/ and profiling/ are written.",
    )
    reports_dir: Path | None = Field(
        default=None,
        validation_alias="STEP4_REPORTS_DIR",
        description="Where pages of drifts are put for a web server.",
    )
    reports_url: str | None = Field(
        default=None, validation_alias="STEP4_REPORTS_URL", description="Where that web server shows them."
    )
    gpu_slot: str | None = Field(
        default=None, validation_alias="STEP4_GPU_SLOT", description="The concurrency limit of GPU inference."
    )
    hub_token: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices(*TOKEN_VARIABLES), description="The hub's token."
    )


def machine_settings() -> MachineSettings:
    """Return the settings as they are now.

    Raises:
        UsageError: `.env` cannot be read, or there can be no home directory.
    """
    require_readable(ENV_FILE)
    ensure_home()
    return MachineSettings()


def hub_token() -> str | None:
    """Return the hub's token; it is never a parameter, so it never reaches a log or a run's record."""
    token = machine_settings().hub_token
    # A secret that was read from a file has the end of its line.
    return (token.get_secret_value().strip() or None) if token else None


def where(path: Path) -> str:
    """Say where a path was looked for: each process has a folder of its own, each machine its own files."""
    return f" on {platform.node()}" if path.is_absolute() else f" in {Path.cwd()} on {platform.node()}"
