"""The report page: one timeline, or a candidate above its reference, in one HTML file that needs no network."""
