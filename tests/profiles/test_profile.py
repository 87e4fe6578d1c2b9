"""Profiles: found by name or alias, refused with what would be accepted."""

from pathlib import Path

import pytest

from profiles import profile as profiles
from profiles.profile import all_profiles, get_profile, read_profile
from tasks.engine.core.errors import UsageError


def test_the_documented_profiles_are_there() -> None:
    """Every profile of the documentation exists, and the default comes first."""
    assert list(all_profiles()) == [
        "gpu_fp32",
        "cpu",
        "cpu_amp",
        "cpu_amp_unsafe",
        "gpu_amp_unsafe",
        "gpu_optimized",
        "shared",
        "shared_amp",
    ]


@pytest.mark.parametrize(("alias", "name"), [("gpu_no_amp", "gpu_fp32"), ("cpu_only", "cpu"), ("cpu_amp", "cpu_amp")])
def test_a_profile_answers_to_its_aliases(alias: str, name: str) -> None:
    """A profile is found by its file's name and by each alias."""
    assert get_profile(alias).name == name


def test_no_two_profiles_share_a_name() -> None:
    """Names and aliases are unique over all profiles."""
    names = [name for one in all_profiles().values() for name in (one.name, *one.aliases)]

    assert len(names) == len(set(names))


def test_an_unknown_profile_answers_with_the_known_ones() -> None:
    """An unknown name is a usage error that lists every name and alias."""
    with pytest.raises(UsageError) as caught:
        get_profile("gpu_fast")

    for one in all_profiles().values():
        for name in (one.name, *one.aliases):
            assert name in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("device = 'tpu'\nprecision = 'fp32'\ndescription = ''", "'auto', 'cuda' or 'cpu'"),
        ("device = 'cpu'\nprecision = 'int8'\ndescription = ''", "'fp32', 'mixed' or 'naive'"),
        ("device = 'cpu'\nprecision = 'fp32'\ndescription = ''\nbatch = 4", "batch"),
        ("device = 'cpu'\nprecision = 'fp32'\ndescription = ''\nbatch_size = 0", "batch_size"),
        ("device = ", "not TOML"),
        ("precision = 'fp32'\ndescription = ''", "device: Field required"),
    ],
)
def test_a_profile_file_follows_the_schema(tmp_path: Path, text: str, named: str) -> None:
    """A file with an unknown key or value is refused, naming the file and what would be accepted."""
    path = tmp_path / "mine.toml"
    path.write_text(text)

    with pytest.raises(UsageError, match=r"mine\.toml") as caught:
        read_profile(path)

    assert named in str(caught.value)


def test_every_field_of_a_profile_is_described() -> None:
    """A reader of the schema learns what each choice means."""
    undocumented = [
        name
        for name, field in profiles.Profile.model_fields.items()
        if not field.description and name not in {"name", "description", "aliases"}
    ]

    assert not undocumented
