"""The page's texts and numbers in English and French."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

LANGUAGES = ("en", "fr")


@dataclass(frozen=True, slots=True)
class Messages:
    """The texts of one language.

    texts: as in `messages.toml`.
    """

    language: str
    texts: dict[str, Any]

    def __call__(self, key: str, **fields: object) -> str:
        """A text with its fields filled in.

        Raises:
            KeyError: no such text, or a field of it is not given.
        """
        found: str = self.texts[key]
        return found.format(**fields)

    def number(self, value: float, digits: int = 4) -> str:
        """Significant digits, with the language's decimal mark."""
        return f"{value:.{digits}g}".replace(".", self.texts["decimal"])

    def quantity(self, value: float | None, unit: str) -> str:
        """A number with its unit; words for what was not measured, and for infinity."""
        if value is None:
            return self("unmeasured")
        shown = self("infinite") if value == float("inf") else self.number(value)
        return f"{shown} {self.texts['units'][unit]}" if unit else shown

    def percent(self, value: float) -> str:
        """A percentage of 0 to 100."""
        return self.quantity(value, "%")

    def clock(self, seconds: float | None) -> str:
        """Hours, minutes and seconds to the millisecond; words where there is no such instant."""
        if seconds is None:
            return self("no_speech")
        whole, thousandths = divmod(round(1000 * seconds), 1000)
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}{self.texts['decimal']}{thousandths:03}"


@cache
def load_messages(language: str) -> Messages:
    """The texts of `en` or `fr`."""
    return Messages(language, _texts()[language])


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("messages.toml").read_text(encoding="utf-8"))
