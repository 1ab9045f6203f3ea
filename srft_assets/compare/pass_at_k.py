"""pass@k: the chance that at least one of k attempts resolves a task."""

from math import comb


def pass_at_k(attempts: int, resolved: int, k: int) -> float:
    """Unbiased estimate for one task (Chen et al. 2021, arXiv 2107.03374, equation 1).

    `resolved` of `attempts` independent attempts resolve the task: 1 − C(n−c, k) / C(n, k).
    Raises ValueError unless 0 ≤ resolved ≤ attempts and 1 ≤ k ≤ attempts: fewer attempts than k
    allow no unbiased estimate.
    """
    if not 0 <= resolved <= attempts or not 1 <= k <= attempts:
        raise ValueError(f"pass@{k} of {resolved} resolved in {attempts} attempts")
    return 1 - comb(attempts - resolved, k) / comb(attempts, k)
