"""Names as text: Linux takes any bytes as a file's name, and what this project writes is UTF-8."""

import os


def printable(text: object) -> str:
    r"""Spell a path, or a text with one in it, so that UTF-8 can say it: `caf\xe9.mp4` for a name in Latin-1.

    Python keeps the bytes of a name that are not UTF-8 as lone surrogates (PEP 383), which no file or terminal takes.
    """
    try:
        spelt = os.fsencode(str(text))
    except UnicodeEncodeError:  # a surrogate that stands for no byte: JSON can bring one
        spelt = str(text).encode("utf-8", "backslashreplace")
    return spelt.decode("utf-8", "backslashreplace")
