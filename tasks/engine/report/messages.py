"""Messages of the page in English and French, and numbers as either language writes them."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

LANGUAGES = ("en", "fr")
"""Tables of `messages.toml`, as BCP 47 names the languages."""


@dataclass(frozen=True, slots=True)
class Messages:
    """The messages of one language.

    Attributes:
        language: one of `LANGUAGES`.
        texts: its table of `messages.toml`.
    """

    language: str
    texts: dict[str, Any]

    def __call__(self, key: str, **fields: object) -> str:
        """Look a message up and fill in its fields.

        Raises:
            KeyError: no such message, or a field of it is not given.
        """
        template: str = self.texts[key]
        return template.format(**fields)

    def number(self, value: float, digits: int = 4) -> str:
        """Format with so many significant digits, and the language's decimal mark."""
        return f"{value:.{digits}g}".replace(".", self.texts["decimal"])

    def quantity(self, value: float | None, unit: str) -> str:
        """Format a number with its unit; a message for None, which was not measured, and for infinity."""
        if value is None:
            return self("unmeasured")
        if value == float("inf"):
            return self("infinite")
        number = self.number(value)
        return f"{number} {self.texts['units'][unit]}" if unit else number

    def percent(self, value: float) -> str:
        """Format a percentage of 0 to 100."""
        return self.quantity(value, "%")

    def clock(self, seconds: float | None) -> str:
        """Format as hours, minutes and seconds to the millisecond; a message for None, no such instant."""
        if seconds is None:
            return self("no_speech")
        whole, thousandths = divmod(round(1000 * seconds), 1000)
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}{self.texts['decimal']}{thousandths:03}"


@cache
def load_messages(language: str) -> Messages:
    """Load the messages of `en` or `fr`."""
    return Messages(language, _tables()[language])


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("messages.toml").read_text(encoding="utf-8"))
