"""Files that a run leaves for its operators: inconsistencies, metrics and profiles."""
