"""Tables of the report: rates, paired differences, training sets; as Markdown."""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from srft_assets.compare import (
    Difference,
    cells_of,
    holm,
    mcnemar,
    paired_difference,
    rate_of,
    wilson_interval,
)
from srft_assets.compare.difference import ALPHA


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right of the first column."""
    head = f"| {' | '.join(columns)} |"
    line = f"| --- |{' ---: |' * (len(columns) - 1)}"
    return "\n".join([head, line, *(f"| {' | '.join(row)} |" for row in rows)])


def percent(rate: float) -> str:
    """0.123 → 12.3."""
    return f"{100 * rate:.1f}"


def points(difference: float) -> str:
    """0.0123 → +1.2."""
    return f"{100 * difference:+.1f}"


def span(low: float, high: float) -> str:
    """An interval in percent."""
    return f"{100 * low:.1f} to {100 * high:.1f}"


def chance(p_value: float | None) -> str:
    """A p-value; a bootstrap cannot tell small ones apart."""
    if p_value is None:
        return "–"
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def rates(scores: pl.DataFrame, arms: Sequence[str]) -> str:
    """Arms with both intervals. `scores`: one series."""
    rows = []
    for arm in arms:
        rate = rate_of(cells_of(scores, arm))
        own = scores.filter(pl.col("arm") == arm)
        by_seed = own.group_by("seed").agg(pl.col("resolved").mean()).sort("seed")["resolved"]
        wilson = wilson_interval(rate.resolved, rate.scored) or (0.0, 1.0)
        rows.append(
            (
                arm,
                f"{rate.resolved} of {rate.scored}",
                percent(rate.rate),
                span(rate.low, rate.high),
                span(*wilson),
                ", ".join(percent(one) for one in by_seed),
                f"{own['n_steps'].to_numpy().mean():.1f}",
            )
        )
    titles = ("arm", "resolved", "%", "95% bootstrap", "95% Wilson", "each seed", "steps")
    return markdown(titles, rows)


def differences(scores: pl.DataFrame, pairs: Sequence[tuple[str, str]]) -> list[Difference]:
    """Paired differences of one table, the smallest that can be shown at Holm's first step."""
    alpha = ALPHA / max(1, len(pairs))
    return [paired_difference(scores, arm, other, alpha=alpha) for arm, other in pairs]


def difference_table(found: Sequence[Difference]) -> str:
    """Of one family: Holm's correction is over its rows."""
    adjusted = holm([one.p_value for one in found])
    exact = [mcnemar(one.only_arm, one.only_against) for one in found]
    rows = [
        (
            f"{one.arm} − {one.against}",
            points(one.difference),
            span(one.low, one.high),
            chance(one.p_value),
            chance(p_holm),
            f"{one.only_arm} : {one.only_against}",
            chance(p_exact),
            chance(p_exact_holm),
            "–" if one.detectable is None else f"{100 * one.detectable:.1f}",
        )
        for one, p_holm, p_exact, p_exact_holm in zip(
            found, adjusted, exact, holm(exact), strict=True
        )
    ]
    titles = (
        "pair",
        "points",
        "95% bootstrap",
        "p",
        "p Holm",
        "one alone",
        "p McNemar",
        "Holm",
        "can show",
    )
    return markdown(titles, rows)


def levels(scores: pl.DataFrame, names: Mapping[str, str], reference: str) -> str:
    """Levels of a series with their difference to the reference level."""
    rows = []
    for level, title in names.items():
        rate = rate_of(cells_of(scores, level))
        told = ("", "")
        if level != reference:
            gap = paired_difference(scores, level, reference)
            told = points(gap.difference), span(gap.low, gap.high)
        rows.append((title, percent(rate.rate), span(rate.low, rate.high), *told))
    titles = ("level", "%", "95% bootstrap", f"points to {names[reference]}", "95% bootstrap")
    return markdown(titles, rows)


def of_series(scores: pl.DataFrame, series: str) -> pl.DataFrame:
    """The scores of one series."""
    return scores.filter(pl.col("series") == series)
