"""Many videos: finding them, how each ended, drawing a sample."""
