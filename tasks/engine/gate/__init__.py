"""Does a candidate timeline agree with its reference? Measurements, limits, verdict."""
