"""From samples to turns and speech scores: pyannote's pipeline, its engines, and what they computed before."""

from tasks.engine.models.library_settings import configure_libraries

configure_libraries()
