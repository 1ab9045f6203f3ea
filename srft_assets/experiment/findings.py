"""What was found, in sentences made from the numbers by fixed rules.

A difference is told as one where its p-value, corrected after Holm over everything that is told,
is below 0.05, and as not shown otherwise, with the smallest difference that the design can show.
Which pairs are told is fixed here, whatever comes out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from srft_assets.compare import Difference, cells_of, holm, paired_difference, rate_of
from srft_assets.compare.difference import ALPHA
from srft_assets.experiment.design import BASE
from srft_assets.experiment.tables import of_series, percent, points, span

QUESTIONS = (
    ("rft", "sft"),
    ("srft", "rft"),
    ("oracle", "rft"),
    ("srft", "sft"),
    ("srft", "random_mask"),
    ("srft", "inverted_mask"),
    ("unresolved_masked", "unresolved_only"),
)
"""Arm and the one that it is compared with."""
LEAD = "lead to {} resolved tasks than"
WITH_TOKENS = (("srft", "rft"), ("oracle", "rft"))


@dataclass(frozen=True, slots=True)
class Question:
    """Two arms or levels of one series, and how the report calls them."""

    series: str
    arm: str
    against: str
    names: tuple[str, str]
    before: str = ""
    verb: str = "resolves {} than"


def questions(scores: pl.DataFrame) -> list[Question]:
    """Everything that is told, in order. `scores`: in the schema SCORES."""
    asked = [Question("steps", arm, other, (arm, other)) for arm, other in QUESTIONS]
    if of_series(scores, "tokens").height:
        before = "With about as many trained tokens: "
        asked += [Question("tokens", a, b, (a, b), before) for a, b in WITH_TOKENS]
    f1, share = _ends(scores, "f1"), _ends(scores, "share")
    high, low = (f"labels with an F1 of {x:.2f}" for x in f1[1])
    asked.append(Question("f1", *f1[0], (high, low), verb=LEAD))
    high, low = (f"training runs of which {100 * x:.0f}% failed" for x in share[1])
    asked.append(Question("share", *share[0], (high, low), verb=LEAD))
    return asked


def _ends(scores: pl.DataFrame, series: str) -> tuple[tuple[str, str], tuple[float, float]]:
    """The levels of a series with the largest and the smallest x: names, and x."""
    levels = of_series(scores, series).select("arm", "x").unique().sort("x").rows()
    (low_name, low), (high_name, high) = levels[0], levels[-1]
    return (high_name, low_name), (high, low)


def told(asked: Question, one: Difference, p_holm: float | None) -> str:
    """One difference as a sentence."""
    arm, against = asked.names
    numbers = f"{points(one.difference)} points, {span(one.low, one.high)}"
    if p_holm is not None and p_holm < ALPHA:
        verb = asked.verb.format("more" if one.difference > 0 else "fewer")
        return f"{asked.before}{arm} {verb} {against} ({numbers})."
    limit = one.detectable
    least = "none" if limit is None else f"{100 * limit:.1f} points or more"
    return (
        f"{asked.before}Between {arm} and {against} no difference is shown ({numbers}; this design "
        f"shows {least} four times in five)."
    )


def findings(scores: pl.DataFrame) -> str:
    """The findings, a Markdown list. `scores`: in the schema SCORES."""
    base = rate_of(cells_of(of_series(scores, "steps"), BASE)).rate
    lines = [f"The base model resolves {percent(base)}% of the held-out tasks."]
    lines += _told_all(scores, questions(scores))
    return "\n".join(f"- {line}" for line in lines)


def _told_all(scores: pl.DataFrame, asked: Sequence[Question]) -> list[str]:
    alpha = ALPHA / len(asked)
    found = [
        paired_difference(of_series(scores, one.series), one.arm, one.against, alpha=alpha)
        for one in asked
    ]
    corrected = holm([one.p_value for one in found])
    return [told(*three) for three in zip(asked, found, corrected, strict=True)]
