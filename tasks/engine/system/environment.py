"""Variables of the environment or of `.env` that the engine itself reads."""

import os

from dotenv import dotenv_values

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGINGFACE_HUB_TOKEN", "HF_AUTH_TOKEN")


def from_environment(name: str) -> str | None:
    """Return a variable of the environment, else of `.env` in the working folder; None where empty or absent."""
    return os.environ.get(name) or dotenv_values(".env").get(name) or None


def hub_token() -> str | None:
    """Return the hub's token; it is never a parameter, so it never reaches a log or a run's record."""
    return next((value for name in TOKEN_VARIABLES if (value := from_environment(name))), None)
