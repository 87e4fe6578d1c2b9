"""`make serve` and `make deploy`."""
