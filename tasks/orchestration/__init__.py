"""What a run says to Prefect: artifacts, events, names, and the GPU's places."""
