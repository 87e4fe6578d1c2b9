"""Read one JSON object as a stream: its members as they come, the elements of one list one at a time."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn, TextIO

CHUNK = 1 << 18
MAX_VALUE = 1 << 24
"""Characters of one value: no header and no frame is as long."""

STREAMED: Final = object()
"""What stands for a list whose elements were handed on."""

_SPACE = " \t\n\r"


class JsonStream:
    """A cursor over JSON text of any length; holds a chunk and the value it stands in.

    Args:
        source: the text.
        refuse_constant: called with ``NaN``, ``Infinity`` or ``-Infinity``.
        chunk: characters read at a time.
        max_value: characters of the longest accepted value.

    Raises:
        ValueError: the text is not JSON; says where.
    """

    def __init__(
        self,
        source: TextIO,
        refuse_constant: Callable[[str], NoReturn],
        chunk: int = CHUNK,
        max_value: int = MAX_VALUE,
    ) -> None:
        self._chunk = chunk
        self._max_value = max_value
        self._source = source
        self._decode = json.JSONDecoder(parse_constant=refuse_constant).raw_decode
        self._text = ""
        self._place = 0
        self._before = 0
        self._ended = False

    def members(self, streamed: str, element: Callable[[Any], object]) -> Iterator[tuple[str, Any]]:
        """Yield the members in order; where the one called ``streamed`` is a list, its elements go to ``element``.

        The list itself comes as `STREAMED`.
        """
        self._expect("{")
        if not self._skip_if("}"):
            while True:
                key = self.value()
                if not isinstance(key, str):
                    self._refuse("a name in double quotes is needed")
                self._expect(":")
                if key == streamed and self.peek() == "[":
                    self._elements(element)
                    yield key, STREAMED
                else:
                    yield key, self.value()
                if not self._skip_if(","):
                    break
            self._expect("}")
        if self.peek():
            self._refuse("text after the end of the object")

    def peek(self) -> str:
        """Return the next character that is no white space, empty at the end."""
        while True:
            while self._place < len(self._text) and self._text[self._place] in _SPACE:
                self._place += 1
            if self._place < len(self._text) or not self._more(self._chunk):
                return self._text[self._place : self._place + 1]

    def value(self) -> Any:  # noqa: ANN401  # whatever the JSON holds
        """Return the next value."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._place)
            except json.JSONDecodeError as error:
                if not self._more(len(self._text) - self._place):
                    self._refuse(error.msg)
                continue
            # A number near the end of the text held may go on behind it: after "1", "1." or "1e-".
            if end + 2 < len(self._text) or not self._more(self._chunk):
                self._place = end
                return value

    def _elements(self, element: Callable[[Any], object]) -> None:
        self._expect("[")
        if self._skip_if("]"):
            return
        element(self.value())
        while self._skip_if(","):
            element(self.value())
        self._expect("]")

    def _expect(self, character: str) -> None:
        if not self._skip_if(character):
            self._refuse(f"{character!r} is needed")

    def _skip_if(self, character: str) -> bool:
        if self.peek() != character:
            return False
        self._place += 1
        return True

    def _more(self, characters: int) -> bool:
        """Read on, at least a chunk; what was passed is let go. False where nothing is left."""
        if self._ended:
            return False
        if len(self._text) - self._place > self._max_value:
            self._refuse(f"a value of more than {self._max_value >> 20} million characters")
        further = self._source.read(max(characters, self._chunk))
        self._ended = not further
        if further:  # at the end the place must stay: callers hold offsets into the text
            self._text = self._text[self._place :] + further
            self._before, self._place = self._before + self._place, 0
        return not self._ended

    def _refuse(self, reason: str) -> NoReturn:
        raise ValueError(f"{reason}, at character {self._before + self._place + 1}")
