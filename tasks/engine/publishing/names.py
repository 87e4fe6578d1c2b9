"""Names of published files, and of the folder beside them."""

MANIFEST = "_step4.json"
"""End of a manifest's name; it begins with the stem of the video's."""

WORKSPACE = ".step4"
"""Folder beside the published files for everything not published: staging, finished inferences, refusals."""
