"""Deployable flows: each file reads as a recipe of named steps."""

import os

# The stages log as `step4.*`, without knowing Prefect; this makes Prefect show their lines beside its own.
os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "step4")
# A local server has nothing to report to anyone.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# The stages are plain functions too: outside a flow their lines go to whoever listens, and nowhere else.
os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
