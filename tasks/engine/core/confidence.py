"""Bounds on a share by a sample of it."""


def upper_share(drawn: int, bad: int, confidence: float) -> float:
    """Bound a share from above by how many of a draw have it, exactly (Clopper and Pearson 1934).

    doi:10.1093/biomet/26.4.404. Where none has it this is about 3 / drawn at 95 %, the rule of three.

    Args:
        drawn: at random, 1 or more.
        bad: how many of those have it.
        confidence: such as 0.95.

    Returns:
        A share of 0 to 1.
    """
    from scipy.special import betaincinv  # noqa: PLC0415  # not for whoever draws nothing

    return float(betaincinv(bad + 1, drawn - bad, confidence)) if bad < drawn else 1.0
