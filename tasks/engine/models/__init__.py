"""The networks: which files, where from, and how they compute."""
