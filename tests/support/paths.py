"""Where things are, for tests that start commands or read files of the project."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SUPPORT = Path(__file__).parent
