"""A package, so that what serves these tests ends with the last of them and not with the last of all."""
