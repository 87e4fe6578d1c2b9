"""Why a candidate drifted, and whether a machine is coherent."""
