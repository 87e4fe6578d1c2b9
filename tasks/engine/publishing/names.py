"""How published files and the folder beside them are called."""

MANIFEST = "_step4.json"
"""What the name of a manifest ends with."""


WORKSPACE = ".step4"
"""Folder beside the published files that holds everything not published: staging, finished inferences, refusals."""
