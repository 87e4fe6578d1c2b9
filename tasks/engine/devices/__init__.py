"""What a machine can compute with, and the plan made of it."""
