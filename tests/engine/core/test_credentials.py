"""No user and no password of an address is shown; everything else is."""

import pytest

from tasks.engine.core.credentials import shown_address, without_credentials


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("for url 'http://me:s3cret@127.0.0.1:4200/api/version'", "for url 'http://127.0.0.1:4200/api/version'"),
        ("postgresql+asyncpg://me:s3@cret@db/step4", "postgresql+asyncpg://db/step4"),
        ("https://s3cret@hub, then http://:s3cret@proxy:3128", "https://hub, then http://proxy:3128"),
        ("https://hub/speech/model@main and me@example.org", "https://hub/speech/model@main and me@example.org"),
        ("//", "//"),
    ],
)
def test_every_address_in_a_text_loses_its_user_and_password(text: str, kept: str) -> None:
    """A revision behind a path, and an address of mail, are no password."""
    assert without_credentials(text) == kept


@pytest.mark.parametrize("scheme", ["", "//", "http://"])
def test_an_address_without_its_scheme_has_a_password_too(scheme: str) -> None:
    """Whoever forgot `http://` did not forget the password."""
    assert shown_address(f"{scheme}me:s3cret@127.0.0.1:4200/api") == f"{scheme}127.0.0.1:4200/api"
    assert shown_address("") == ""
