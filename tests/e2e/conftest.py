"""One `make serve` for all end-to-end tests."""

from serving import served

__all__ = ["served"]
