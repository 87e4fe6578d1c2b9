"""Profiles: named sets of device, precision and batch choices, one file each, and what overrides them."""
