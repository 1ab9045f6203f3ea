"""Scores written as strings: a character a task, `+` resolved, `-` not, `?` no score."""

import polars as pl

MEANING = {"+": True, "-": False, "?": None}


def scores(**arms: list[str]) -> pl.DataFrame:
    """One string a seed for each arm: `scores(rft=["++-", "+--"])` has 3 tasks and 2 seeds."""
    rows = [
        (arm, seed, f"task-{place}", attempt, MEANING[mark])
        for arm, seeds in arms.items()
        for seed, marks in enumerate(seeds)
        for attempt, tries in enumerate(marks.split("/"))
        for place, mark in enumerate(tries)
    ]
    names = ["arm", "seed", "instance_id", "attempt", "resolved"]
    return pl.DataFrame(rows, schema=names, orient="row")
