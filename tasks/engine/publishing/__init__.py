"""What is published: names, manifest, and the atomic swap."""
