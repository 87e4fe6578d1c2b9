"""The networks: which files, where from, and how they compute."""

from tasks.engine.models.library_settings import configure_libraries

configure_libraries()
