"""A `.env` that cannot be read is said so in a sentence, with the byte or the reason."""

from pathlib import Path
from unittest.mock import patch

import pytest

from tasks.engine.core.errors import UsageError
from tasks.engine.system.env_file import problem_of, require_readable


@pytest.mark.parametrize("content", [None, b"", b"\xef\xbb\xbfAUDIO_PROFILE=cpu\n", "# café\n".encode()])
def test_a_file_in_utf_8_and_none_at_all_are_fine(content: bytes | None, tmp_path: Path) -> None:
    """With the mark that editors of Windows begin it with, too; a folder of that name is no file."""
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / ".env").write_bytes(content)

    assert problem_of(tmp_path / ".env") is None
    assert problem_of(tmp_path / "folder") is None
    require_readable(tmp_path / ".env")
    require_readable(None)


def test_a_file_in_another_encoding_is_named_with_the_byte(tmp_path: Path) -> None:
    """What was found, and what would be accepted."""
    (tmp_path / ".env").write_bytes(b"AUDIO_PROFILE=cpu\n# caf\xe9\n")

    with pytest.raises(UsageError) as caught:
        require_readable(tmp_path / ".env")

    assert str(caught.value) == problem_of(tmp_path / ".env")
    assert str(caught.value).startswith(f"{tmp_path}/.env could not be read (byte 23 is not UTF-8): expected lines")


def test_a_file_without_the_right_to_read_it_is_named_with_the_reason(tmp_path: Path) -> None:
    """As another user's, or one that a share has lost."""
    (tmp_path / ".env").touch()
    with patch.object(Path, "read_text", side_effect=PermissionError(13, "Permission denied")):
        assert "could not be read (Permission denied)" in str(problem_of(tmp_path / ".env"))
