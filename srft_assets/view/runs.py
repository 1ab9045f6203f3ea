"""The table of runs: filters, search, order and pages, as the address of the page states them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

import polars as pl

from srft_assets.errors import UsageError
from srft_assets.view.index import SECONDS, VERDICTS, Index, page_sql

SIZE = 50
"""Runs on a page."""
CHOICES = {"batch": "batch", "scaffold": "scaffold", "model": "model", "repo": "repo"}
"""Filters with a list of values: the parameter, and the column."""
COLUMNS = (
    *("trajectory_id", "repo", "batch", "scaffold", "model", "n_steps", "status"),
    *("mistakes", "unnecessary", "recovered", "first_mistake", "disagreement"),
)
"""What the table can be sorted by."""
PLACES = ("ids", "commands", "reasons")
NOBODY = VERDICTS.schema.to_frame()
NAMED = {"trajectory_id": pl.String}


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address of the table says; empty where nothing is asked for.

    Attributes:
        critic, other: whose labels are shown, and whose they are compared with; `NAME@VERSION` for
            an earlier version.
        mistakes, disagreement: least share, in percent.
        where: a condition in SQL over the columns of `sql/pages/judged_runs.sql`.
        search, place: a text, and where it is looked for (`PLACES`).
    """

    batch: str = ""
    scaffold: str = ""
    model: str = ""
    repo: str = ""
    status: str = ""
    critic: str = ""
    other: str = ""
    mistakes: str = ""
    disagreement: str = ""
    where: str = ""
    search: str = ""
    place: str = "ids"
    sort: str = "batch"
    down: str = ""

    @staticmethod
    def of(asked: Mapping[str, str]) -> "Filters":
        """From the parameters of a request; those of other pages are passed over.

        Raises UsageError for a column or a place that there is not.
        """
        known = {one.name for one in fields(Filters)}
        found = Filters(**{name: value for name, value in asked.items() if name in known})
        if found.sort not in COLUMNS:
            raise UsageError(f"cannot sort by {found.sort!r}; there are: {', '.join(COLUMNS)}")
        if found.place not in PLACES:
            raise UsageError(f"cannot search {found.place!r}; there are: {', '.join(PLACES)}")
        return found

    def query(self, **changed: object) -> str:
        """As parameters of an address, with some changed; what is as if unsaid is left out."""
        stated = {**asdict(self), **{name: str(value) for name, value in changed.items()}}
        plain = {one.name: one.default for one in fields(Filters)}
        return urlencode({k: v for k, v in stated.items() if v != plain.get(k, "")})

    @property
    def is_plain(self) -> bool:
        """Whether every run is shown."""
        return replace(self, critic="", other="", sort="batch", down="") == Filters()


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of the table from `start`.

    Attributes:
        total: how many there are in all, or at least, where not all were looked through.
        unread: runs that were not looked through, since a page was full without them.
    """

    rows: list[dict[str, Any]]
    start: int
    total: int
    unread: int = 0


def with_critics(index: Index, filters: Filters) -> Filters:
    """The filters with a critic, where one has labelled and none is named."""
    critics = index.critics()
    return filters if filters.critic or not critics else replace(filters, critic=critics[0])


def find_runs(
    index: Index, filters: Filters, start: int = 0, size: int = SIZE, count: bool = True
) -> Found:
    """`size` runs from `start` on. A search in texts looks through all runs where it shall `count`,
    else through as many as fill the page. Raises SrftError with the reason where `where` is wrong.
    """
    conditions, values = _conditions(filters)
    frames = {"given_runs": index.runs()}
    for name, judge in (("given_a", filters.critic), ("given_b", filters.other)):
        frames[name] = index.labels(judge) if judge else NOBODY
    if not filters.search or filters.place == "ids":
        paged = {**values, "size": size, "start": start}
        limit = "LIMIT $size OFFSET $start"
        rows = index.ask(
            _question("*, count(*) OVER () AS total", conditions, filters, limit), paged, frames
        )
        total = rows["total"][0] if rows.height else 0
        return Found(rows.drop("total").to_dicts(), start, total)
    candidates = index.ask(_question("trajectory_id, batch", conditions, filters), values, frames)
    enough = None if count else start + size + 1  # one more tells that there is a next page
    hits = index.searches.find(filters.place, filters.search, candidates, enough, SECONDS)
    frames["given_found"] = pl.DataFrame({"trajectory_id": hits.ids[start : start + size]}, NAMED)
    own = "trajectory_id IN (SELECT trajectory_id FROM given_found)"
    rows = index.ask(_question("*", [own], filters), frames=frames)
    return Found(rows.to_dicts(), start, len(hits.ids), candidates.height - hits.looked)


def _question(columns: str, conditions: list[str], filters: Filters, limit: str = "") -> str:
    """A question to the table, in the order that is asked for."""
    order = f'"{filters.sort}" {"DESC" if filters.down else "ASC"} NULLS LAST, trajectory_id'
    return (
        f"WITH judged AS ({page_sql('judged_runs')})\n"
        f"SELECT {columns} FROM judged\nWHERE {' AND '.join(conditions)}\n"
        f"ORDER BY {order}\n{limit}"
    )


def _conditions(filters: Filters) -> tuple[list[str], dict[str, Any]]:
    """Conditions in SQL, and the values they name."""
    conditions, values = ["true"], dict[str, Any]()
    for name in (*CHOICES, "status"):
        if stated := getattr(filters, name):
            conditions.append(f"{CHOICES.get(name, name)} = ${name}")
            values[name] = stated
    for name in ("mistakes", "disagreement"):
        if stated := getattr(filters, name):
            conditions.append(f"{name} >= ${name}")
            values[name] = _percent(name, stated)
    if filters.search and filters.place == "ids":
        conditions.append("contains(lower(trajectory_id), $text)")
        values["text"] = filters.search.lower()
    if filters.where:
        conditions.append(f"({filters.where}\n)")
    return conditions, values


def _percent(name: str, stated: str) -> float:
    try:
        return float(stated) / 100
    except ValueError:
        raise UsageError(f"{name} is a number from 0 to 100, not {stated!r}") from None


def choices(index: Index) -> dict[str, list[str]]:
    """The values that each filter with a list may take."""
    runs = index.runs()
    columns = {**CHOICES, "status": "status"}
    return {
        name: runs[column].drop_nulls().unique().sort().to_list()
        for name, column in columns.items()
    }


def neighbour(index: Index, filters: Filters, at: int) -> str | None:
    """The run at a place of the table, from 0; None where it has no such place."""
    found = find_runs(index, filters, at, 1, count=False).rows if at >= 0 else []
    return found[0]["trajectory_id"] if found else None


def frame_of_labels(labels: pl.DataFrame) -> pl.DataFrame:
    """trajectory_id, step_index, letter: one row a step."""
    letters = labels.with_columns(letter=pl.col("labels").str.split(""))
    indices = pl.int_ranges(pl.col("letter").list.len()).alias("step_index")
    return letters.with_columns(indices).explode("letter", "step_index").drop("labels")
