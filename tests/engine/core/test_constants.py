"""Constants that more than one package counts with."""

from paths import ROOT

from tasks.engine.core import constants


def test_the_project_folder_is_the_top_of_the_checkout() -> None:
    """Models and profiles are found from there, so the module must not move without it."""
    assert constants.PROJECT == ROOT
    assert (constants.PROJECT / "pyproject.toml").is_file()


def test_units_are_binary() -> None:
    """MiB and GiB, as their names say."""
    assert (constants.MIB, constants.GIB) == (1 << 20, 1 << 30)
