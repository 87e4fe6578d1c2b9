"""Stages: one module each, the plain function first, its Prefect task last."""
