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
    limit = one.detectable
    least = "none" if limit is None else f"{100 * limit:.1f} points or more"
    return (
        f"Between {one.arm} and {one.against} no difference is shown ({numbers}; this design "
        f"shows {least} four times in five)."
    )


def findings(scores: pl.DataFrame) -> str:
    """The findings, a Markdown list. `scores`: in the schema SCORES."""
    steps = of_series(scores, "steps")
    base = rate_of(cells_of(steps, BASE)).rate
    lines = [f"The base model resolves {percent(base)}% of the held-out tasks."]
    lines += [told(paired_difference(steps, arm, other)) for arm, other in QUESTIONS]
    tokens = of_series(scores, "tokens")
    if tokens.height:
        pairs = (("srft", "rft"), ("oracle", "rft"))
        found = [told(paired_difference(tokens, arm, other)) for arm, other in pairs]
        lines += [f"With as many trained tokens: {line}" for line in found]
    lines.append(_ends(scores, "f1", "labels with an F1 of"))
    lines.append(_ends(scores, "share", "training runs with a failed share of"))
    return "\n".join(f"- {line}" for line in lines)


def _ends(scores: pl.DataFrame, series: str, what: str) -> str:
    """The largest x of a series against its smallest."""
    own = of_series(scores, series)
    levels = own.select("arm", "x").unique().sort("x").rows()
    (low_name, low), (high_name, high) = levels[0], levels[-1]
    gap = paired_difference(own, high_name, low_name)
    numbers = f"{points(gap.difference)} points, {span(gap.low, gap.high)}"
    names = f"{what} {high:.2f}", f"{low:.2f}"
    if gap.low <= 0 <= gap.high:
        return f"Between {names[0]} and of {names[1]} no difference is shown ({numbers})."
    first = names[0][0].upper() + names[0][1:]
    more = "more" if gap.low > 0 else "fewer"
    return f"{first} lead to {more} resolved tasks than of {names[1]} ({numbers})."
