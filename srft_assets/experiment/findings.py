"""What was found, in sentences made from the numbers by fixed rules.

A difference is told as one where its 95% interval excludes 0, and as not shown otherwise, with
the smallest difference that the design can show. Which pairs are told is fixed here, whatever
comes out.
"""

import polars as pl

from srft_assets.compare import Difference, cells_of, paired_difference, rate_of
from srft_assets.experiment.design import BASE
from srft_assets.experiment.tables import of_series, percent, points, span

QUESTIONS = (
    ("rft", "sft"),
    ("srft", "rft"),
    ("oracle", "rft"),
    ("srft", "sft"),
    ("oracle", "random_mask"),
    ("srft", "inverted_mask"),
    ("unresolved_masked", "unresolved_only"),
)
"""Arm and the one that it is compared with."""


def told(one: Difference) -> str:
    """One difference as a sentence."""
    numbers = f"{points(one.difference)} points, {span(one.low, one.high)}"
    if one.low > 0:
        return f"{one.arm} resolves more than {one.against} ({numbers})."
    if one.high < 0:
        return f"{one.arm} resolves fewer than {one.against} ({numbers})."
    least = "any" if one.detectable is None else f"{100 * one.detectable:.1f} points or more"
    return (
        f"Between {one.arm} and {one.against} no difference is shown ({numbers}; this design "
        f"shows {least} four times in five)."
    )


def paragraph(scores: pl.DataFrame) -> str:
    """The findings. `scores`: in the schema SCORES."""
    steps = of_series(scores, "steps")
    base = rate_of(cells_of(steps, BASE)).rate
    lines = [f"The base model resolves {percent(base)}% of the held-out tasks."]
    lines += ["With the same number of optimizer steps:"]
    lines += [told(paired_difference(steps, arm, other)) for arm, other in QUESTIONS]
    tokens = of_series(scores, "tokens")
    if tokens.height:
        lines.append("With the same number of trained tokens:")
        pairs = (("srft", "rft"), ("oracle", "rft"))
        lines += [told(paired_difference(tokens, arm, other)) for arm, other in pairs]
    lines.append(_ends(scores, "f1", "Labels", "F1"))
    lines.append(_ends(scores, "share", "Training runs", "a failed share"))
    return " ".join(lines)


def _ends(scores: pl.DataFrame, series: str, what: str, axis: str) -> str:
    """The largest x of a series against its smallest."""
    own = of_series(scores, series)
    levels = own.select("arm", "x").unique().sort("x").rows()
    (low_name, low), (high_name, high) = levels[0], levels[-1]
    gap = paired_difference(own, high_name, low_name)
    numbers = f"{points(gap.difference)} points, {span(gap.low, gap.high)}"
    names = f"{what} with {axis} of {high:.2f}", f"with {low:.2f}"
    if gap.low > 0:
        return f"{names[0]} give more than {names[1]} ({numbers})."
    if gap.high < 0:
        return f"{names[0]} give less than {names[1]} ({numbers})."
    return f"Between {names[0]} and {names[1]} no difference is shown ({numbers})."
