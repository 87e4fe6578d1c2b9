"""A reference by sample: a ninth of the windows computed again, every second of the audio seen once."""
