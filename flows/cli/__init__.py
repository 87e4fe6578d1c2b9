"""The commands of `step4`, one module per group. Each imports what is heavy (torch, pyannote, prefect) when it runs."""
