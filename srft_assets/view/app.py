"""The server of `srft view`: addresses, and the pages behind them."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from srft_assets.critic.gold.annotations import LabelChangedError
from srft_assets.critic.gold.labels import read_sets
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.text import visible_lines
from srft_assets.view.charts import strip
from srft_assets.view.door import Door, Keys
from srft_assets.view.index import LETTERS, WORDS, Index
from srft_assets.view.judge import (
    Change,
    Queues,
    Session,
    first_left,
    labels_of,
    own_letters,
    progress,
    save,
)
from srft_assets.view.markup import shown, word
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

LOG = logging.getLogger(__name__)
STATIC = Path(__file__).parent / "static"
NAV = [("/", "Runs"), ("/judge", "Judge")]
SHOW = "show"
"""Parameter of a run's page: whose verdicts are shown, several by several."""
Page = Callable[[Request], Response]


@dataclass(frozen=True)
class Pages:
    """Templates and the index that they are filled from."""

    index: Index
    templates: Environment
    queues: Queues

    def render(self, name: str, status: int = 200, **values: Any) -> Response:
        """A page from its template."""
        return HTMLResponse(self.templates.get_template(name).render(**values), status)


def view_app(home: Home, keys: Keys, port: int) -> Starlette:
    """The application, behind its door; what the pages look up is read as it is needed."""
    index = Index(home)
    pages = Pages(index, templates(), Queues(index))
    routes = [
        Route("/", _guarded(pages, runs_page)),
        Route("/run/{run}", _guarded(pages, run_page)),
        Route("/at/{place:int}", _guarded(pages, at_place)),
        Route("/mask/{run}", _guarded(pages, mask_page)),
        Route("/judge", _guarded(pages, judge_page)),
        Route("/label", _label(pages), methods=["POST"]),
        Route("/text/{run}/{at}/{part}", _guarded(pages, text_page)),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]

    @asynccontextmanager
    async def open_for(_: Starlette) -> AsyncIterator[None]:
        yield
        pages.index.close()

    door = Middleware(Door, keys=keys, port=port)
    app = Starlette(routes=routes, middleware=[door], lifespan=open_for)
    app.state.index = pages.index
    return app


def templates() -> Environment:
    """Templates that escape whatever they are given, and know how labels are drawn."""
    environment = Environment(
        loader=PackageLoader("srft_assets.view"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "word": word,
        "shown": shown,
        "percent": percent,
        "score": score,
    }
    environment.globals |= {
        "nav": NAV,
        "strip": strip,
        "label_words": WORDS,
        "label_letters": LETTERS,
    }
    return environment


def percent(share: float | None) -> str:
    """A share for people; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.0f} %"


def score(found: dict[str, Any]) -> str:
    """F1 with its interval, and of how many steps it is."""
    f1, low, high = (found[name] for name in ("f1", "f1_low", "f1_high"))
    told = "–" if f1 is None else f"{f1:.2f}"
    return f"{told}{'' if low is None else f' ({low:.2f} to {high:.2f})'}, {found['steps']} steps"


def _guarded(pages: Pages, page: Callable[[Pages, Request], Response]) -> Page:
    """A page whose own errors are a page as well: one line, and never a traceback."""

    def answered(asked: Request) -> Response:
        try:
            return page(pages, asked)
        except SrftError as error:
            status = 404 if isinstance(error, UsageError) else 400
            return pages.render("refused.html", status, reason=word(str(error)))

    return answered


def runs_page(pages: Pages, asked: Request) -> Response:
    """The table of runs. What is wrong with a filter is told above an empty table."""
    index, problem = pages.index, ""
    start = max(0, _number(asked.query_params.get("start")))
    try:
        filters = with_critics(index, Filters.of(asked.query_params))
        found = find_runs(index, filters, start)
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
        at=_number(params.get("at"), -1),
        arms=arms_of(index, opened.place.partition),
    )


def arms_of(index: Index, batch: str) -> list[str]:
    """Arms that have masked a batch."""
    root = index.home.warehouse / "masked_tokens"
    return sorted(path.parent.name for path in root.glob(f"*/{batch}.parquet"))


def judge_page(pages: Pages, asked: Request) -> Response:
    """The step of a queue that is to be judged, within its run; without a name, who asks for one.

    In blind mode nothing that a critic said is sent.
    """
    index, session = pages.index, Session.of(asked.query_params)
    if not session.who:
        critics = index.critics()
        if "critic" not in asked.query_params and critics:
            session = replace(session, critic=critics[0])
        return pages.render(
            "judge_start.html",
            session=session,
            critics=critics,
            batches=index.runs()["batch"].unique().sort().to_list(),
            sets=sorted(read_sets(index.home)),
        )
    queue, own = pages.queues.of(session), labels_of(index, session)
    if not queue:
        raise UsageError(f"no run {session.run!r}, or it has no steps")
    at = _number(asked.query_params.get("at"), first_left(queue, own))
    at = min(at, len(queue) - 1)
    opened = open_run(index, queue[at].run, [] if session.blind else None)
    base, count = f"/text/{queue[at].run}", len(opened.run.steps)
    said = {step: label for (run, step), label in own.items() if run == queue[at].run}
    return pages.render(
        "judge.html",
        session=session,
        queue=queue,
        at=at,
        own=own,
        said=said,
        opened=opened,
        run=opened.run,
        steps=step_views(opened, base),
        prompts=prompt_views(opened.run, base),
        base=base,
        maps={"you": own_letters(said, count)}
        | {judge: letters(found, count) for judge, found in opened.judges.items()},
        progress=progress(index, session, queue),
    )


def _label(pages: Pages) -> Callable[[Request], Awaitable[Response]]:
    """Takes one label as JSON; what stands there instead where another window was quicker."""

    async def answered(asked: Request) -> Response:
        try:
            sent = orjson.loads(await asked.body())
        except orjson.JSONDecodeError as error:
            return JSONResponse({"error": f"not JSON: {error}"}, 400)
        return await run_in_threadpool(saved, pages, sent)

    return answered


def saved(pages: Pages, sent: Any) -> Response:
    """What became of a label that was sent."""
    try:
        change = Change.of(sent)
        save(pages.index, change)
        told = progress(pages.index, change.session, pages.queues.of(change.session))
    except LabelChangedError as error:
        there = error.found and {"label": error.found.label, "note": error.found.note}
        return JSONResponse({"error": str(error), "now": there}, 409)
    except SrftError as error:
        return JSONResponse({"error": str(error)}, 400)
    return JSONResponse({"progress": told})


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
        pages.index, opened.place, arm, _number(params.get("part")), _number(params.get("page"))
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
    from srft_assets.show.find import row_at
    from srft_assets.trajectories.model import from_row

    place = place_of(pages.index, asked.path_params["run"])
    run = from_row(row_at(pages.index.warehouse, place.asset, place))
    text = whole_text(run, asked.path_params["at"], asked.path_params["part"])
    return PlainTextResponse(visible_lines(text))


def _number(text: str | None, without: int = 0) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else without
