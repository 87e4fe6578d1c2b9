"""User names and passwords in addresses: what is shown, logged or recorded has none."""

import re

USERINFO = re.compile(r"(?<=//)[^\s/?#]*@")
"""Of an authority in the middle of a text, up to its last `@` (RFC 3986, 3.2.1)."""


def without_credentials(text: str) -> str:
    """Take the user and the password out of every address in a text."""
    return USERINFO.sub("", text)


def shown_address(address: str) -> str:
    """Return an address as it may be shown, whether or not it names its scheme."""
    prefix = "" if "//" in address else "//"
    return without_credentials(prefix + address).removeprefix(prefix)
