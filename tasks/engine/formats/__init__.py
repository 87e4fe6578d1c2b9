"""One module per file format, each converting to and from `Turn` or `Timeline`."""
