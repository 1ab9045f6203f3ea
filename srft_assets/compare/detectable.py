"""The smallest difference that an evaluation of this size can show."""

from math import sqrt
from statistics import NormalDist

from srft_assets.compare.mcnemar import fewest_discordant

ALPHA = 0.05
POWER = 0.8


def detectable_pairs(
    pairs: int, discordant_rate: float, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """Smallest difference of two rates that McNemar's test finds with `power`, 0 to 1.

    `pairs` tasks, one attempt of each arm at each; `discordant_rate` is the share that one arm
    alone resolves. It is the difference d for which Miettinen's sample size (Biometrics 1968;
    Connor, Biometrics 1987, equation 2.2), n = (z₁₋α/₂ √ψ + z_power √(ψ − d²))² / d², is `pairs`.
    It is never below what the exact test needs at least: that many discordant pairs, all to one
    side. None where even a difference of 1 is out of reach. Raises ValueError for a rate outside
    0 to 1 or without pairs.
    """
    if pairs < 1 or not 0 <= discordant_rate <= 1:
        raise ValueError(f"a discordant rate of {discordant_rate} in {pairs} pairs")
    z, z_power = _quantiles(alpha, power)
    under_root = pairs + z_power**2 - z**2
    if under_root <= 0:
        return None
    solved = sqrt(discordant_rate) * (z * sqrt(pairs) + z_power * sqrt(under_root))
    found = max(solved / (pairs + z_power**2), fewest_discordant(alpha) / pairs)
    return found if found <= 1 else None


def detectable_by_error(error: float, alpha: float = ALPHA, power: float = POWER) -> float | None:
    """The same from the standard error of the difference: (z₁₋α/₂ + z_power) · error.

    Bloom, "Minimum detectable effects", Evaluation Review 1995. For several seeds or attempts,
    where pairs are not independent and the error comes of a bootstrap. None above 1.
    """
    found = sum(_quantiles(alpha, power)) * error
    return found if found <= 1 else None


def _quantiles(alpha: float, power: float) -> tuple[float, float]:
    normal = NormalDist()
    return normal.inv_cdf(1 - alpha / 2), normal.inv_cdf(power)
