"""Two critics, or two versions of one, side by side."""

from dataclasses import dataclass

import polars as pl

from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.warehouse.query import run_query

PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one critic, as `critic_history` has it."""

    critic: str
    version: str

    def __str__(self) -> str:
        return f"{self.critic}@{self.version}"


def find_version(home: Home, stated: str) -> Version:
    """`NAME`: what it labels with now; `NAME@previous`: before that; `NAME@` and some digits.

    Raises UsageError, naming the versions there are, where none or several fit.
    """
    critic, _, version = stated.partition("@")
    history = run_query(home, "critic_history").filter(critic=critic)
    if history.is_empty():
        raise UsageError(f"{critic} has labelled nothing yet: srft apply step_verdicts/{critic}")
    if not version:
        fits = history.filter("current").tail(1)
    elif version == PREVIOUS:
        fits = history.filter(~pl.col("current")).tail(1)
    else:
        fits = history.filter(pl.col("version").str.starts_with(version))
    if fits.height != 1:
        there = ", ".join(history["version"])
        what = "several versions fit" if fits.height else "no version fits"
        raise UsageError(f"{what} {stated!r}; {critic} has {there}")
    return Version(critic, fits["version"].item())


def label_changes(home: Home, a: Version, b: Version) -> pl.DataFrame:
    """Steps that both labelled, each otherwise: columns of the macro `verdict_changes`."""
    return run_query(
        home,
        "FROM verdict_changes($critic_a, $version_a, $critic_b, $version_b)",
        {
            "critic_a": a.critic,
            "version_a": a.version,
            "critic_b": b.critic,
            "version_b": b.version,
        },
    )


def shared_steps(home: Home, a: Version, b: Version) -> int:
    """Steps that both labelled."""
    rows = run_query(
        home,
        "SELECT count(*) AS n FROM shared_verdicts($critic_a, $version_a, $critic_b, $version_b)",
        {
            "critic_a": a.critic,
            "version_a": a.version,
            "critic_b": b.critic,
            "version_b": b.version,
        },
    )
    return int(rows["n"].item())
