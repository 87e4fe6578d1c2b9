"""Names of languages as people write them and as containers store them."""

import pytest

from tasks.engine.media.languages import same_language


@pytest.mark.parametrize(
    ("asked", "tagged", "same"),
    [
        ("fr", "fra", True),
        ("fr", "fre", True),
        ("FRE", "fra", True),
        ("de", "ger", True),
        ("zh", "chi", True),
        ("fr", "fr-CA", True),
        ("fr-CA", "fr-CA", True),
        ("fr-CA", "fra", False),
        ("pt_BR", "pt-br", True),
        ("qad", "qad", True),
        ("fr", "fry", False),
        ("en", "fra", False),
    ],
)
def test_one_language_has_several_codes(asked: str, tagged: str, same: bool) -> None:
    """Two letters, three letters of either form, and with a region where one was asked for."""
    assert same_language(asked, tagged) is same
