"""The diarizer and its proof, as plain Python: nothing below here imports Prefect."""
