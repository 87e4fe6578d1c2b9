"""From a media file to its frame grid and its samples."""
