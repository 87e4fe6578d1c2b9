"""How many windows go through the networks at once, planned from free memory."""

BYTES_PER_WINDOW = 80 * 1024**2
"""What one more 10 s window adds to the peak in FP32: 50 to 80 MiB measured with CAM++ at 2 to 32 windows."""


SHARE = 0.5
"""Of the free memory; the rest is for weights, workspaces and whoever else lives there."""


LARGEST_ON_CPU = 4
"""More windows leave the cache: 60 s of audio on two cores took 6.2 s at 1 to 4 windows, 8.6 s at 8, 19 s at 32."""


LARGEST_ON_GPU = 32
"""Beyond 16 windows pyannote's embedding network gains under 3 % (its authors, A6000, pull request 1992)."""


def auto_batch_size(free_memory: int, *, on_cpu: bool) -> int:
    """Plan the windows per pass: the largest power of two that fits in a share of the free memory, within what pays.

    Args:
        free_memory: bytes, of the device that computes.
        on_cpu: is that device the CPU?
    """
    size, largest = 1, LARGEST_ON_CPU if on_cpu else LARGEST_ON_GPU
    while 2 * size <= largest and 2 * size * BYTES_PER_WINDOW <= free_memory * SHARE:
        size *= 2
    return size
