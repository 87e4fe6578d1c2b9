"""Why a candidate drifted, and whether a machine is coherent."""

from tasks.engine.models.library_settings import configure_libraries

configure_libraries()
