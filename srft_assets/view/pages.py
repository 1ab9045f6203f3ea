"""What the pages about runs show: the table, a run, its mask, a text of it."""

from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from srft_assets.errors import SrftError, UsageError
from srft_assets.show.find import row_at
from srft_assets.text import visible_lines
from srft_assets.trajectories.model import from_row
from srft_assets.view.index import Index
from srft_assets.view.judge import Queues
from srft_assets.view.markup import word
from srft_assets.view.mask import block_views, open_mask
from srft_assets.view.run import letters, open_run, place_of, prompt_views, step_views, whole_text
from srft_assets.view.runs import (
    SIZE,
    Filters,
    choices,
    find_runs,
    neighbour,
    with_critics,
)

SHOW = "show"
"""Parameter of a run's page: whose verdicts are shown, several by several."""


COUNT = "count"
"""Parameter of the table: a search looks through all runs, not only as many as fill the page."""


@dataclass(frozen=True)
class Pages:
    """Templates and the index that they are filled from."""

    index: Index
    templates: Environment
    queues: Queues

    def render(self, name: str, status: int = 200, **values: Any) -> Response:
        """A page from its template."""
        return HTMLResponse(self.templates.get_template(name).render(**values), status)


def runs_page(pages: Pages, asked: Request) -> Response:
    """The table of runs. What is wrong with a filter is told above an empty table."""
    index, problem = pages.index, ""
    start = max(0, number(asked.query_params.get("start")))
    try:
        filters = with_critics(index, Filters.of(asked.query_params))
        found = find_runs(index, filters, start, count=COUNT in asked.query_params)
    except SrftError as error:
        problem, found = str(error), None
        filters = with_critics(index, Filters())
        stated = {name: asked.query_params.get(name, "") for name in ("where", "search")}
        filters = Filters(**{**{"critic": filters.critic}, **stated})
    return pages.render(
        "runs.html",
        filters=filters,
        found=found,
        problem=word(problem),
        size=SIZE,
        choices=choices(index),
        judges=index.judges(),
        runs=index.runs().height,
    )


def run_page(pages: Pages, asked: Request) -> Response:
    """A run; `show` names whose verdicts, `at` its place in the table it was opened from."""
    index, params = pages.index, asked.query_params
    stated = params.getlist(SHOW) or None
    opened = open_run(index, asked.path_params["run"], stated)
    run, base = opened.run, f"/text/{asked.path_params['run']}"
    count = len(run.steps)
    filters = with_critics(index, Filters.of(params))
    return pages.render(
        "run.html",
        opened=opened,
        run=run,
        steps=step_views(opened, base),
        prompts=prompt_views(run, base),
        base=base,
        maps={judge: letters(said, count) for judge, said in opened.judges.items()},
        judges=index.judges(),
        shown_judges=list(opened.judges),
        filters=filters,
        kept=[(name, value) for name, value in params.multi_items() if name != SHOW],
        at=number(params.get("at"), -1),
        arms=arms_of(index, opened.place.partition),
    )


def arms_of(index: Index, batch: str) -> list[str]:
    """Arms that have masked a batch."""
    root = index.home.warehouse / "masked_tokens"
    return sorted(path.parent.name for path in root.glob(f"*/{batch}.parquet"))


def mask_page(pages: Pages, asked: Request) -> Response:
    """A run as the tokens of an arm."""
    params = asked.query_params
    opened = open_run(pages.index, asked.path_params["run"], [])
    run, count = opened.run, len(opened.run.steps)
    arms = arms_of(pages.index, opened.place.partition)
    arm = params.get("arm") or (arms[0] if arms else "")
    if arm not in arms:
        made = ", ".join(arms) or "none yet: srft apply masked_tokens/srft"
        raise UsageError(f"no arm {arm!r} has masked the batch of this run; there are: {made}")
    masked = open_mask(
        pages.index, opened.place, arm, number(params.get("part")), number(params.get("page"))
    )
    return pages.render(
        "mask.html",
        run=run,
        arm=arm,
        arms=arms,
        masked=masked,
        blocks=block_views(masked),
        maps={"label": masked.label_letters(count), "mask": masked.mask_letters(count)},
    )


def at_place(pages: Pages, asked: Request) -> Response:
    """The run at a place of the filtered table; `n` and `p` ask for it."""
    place = asked.path_params["place"]
    filters = with_critics(pages.index, Filters.of(asked.query_params))
    run = neighbour(pages.index, filters, place)
    if run is None:
        raise UsageError(f"the table has no run {place + 1}: that was the last")
    return RedirectResponse(f"/run/{run}?{filters.query(at=place)}", 303)


def text_page(pages: Pages, asked: Request) -> Response:
    """One text of a run, whole, as plain text in which nothing hides."""
    place = place_of(pages.index, asked.path_params["run"])
    run = from_row(row_at(pages.index.warehouse, place.asset, place))
    text = whole_text(run, asked.path_params["at"], asked.path_params["part"])
    return PlainTextResponse(visible_lines(text))


def number(text: str | None, without: int = 0) -> int:
    """A parameter that is a natural number; `without` where it is none."""
    return int(text) if text and text.isdecimal() and len(text) < 10 else without
