"""Files, locks, processes and memory of the operating system."""
