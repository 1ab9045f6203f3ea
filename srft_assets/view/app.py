"""The server of `srft view`: addresses, and the pages behind them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.view.access import Door, Keys
from srft_assets.view.charts import strip
from srft_assets.view.compare import compare_page, pair_page
from srft_assets.view.index import LETTERS, WORDS, Index
from srft_assets.view.judge import Queues
from srft_assets.view.judge_page import judge_page, label_taker
from srft_assets.view.markup import shown, word
from srft_assets.view.pages import Pages, at_place, mask_page, run_page, runs_page, text_page
from srft_assets.view.statistics import statistics_page

STATIC = Path(__file__).parent / "static"
NAV = [
    ("/", "Runs"),
    ("/judge", "Judge"),
    ("/compare", "Compare"),
    ("/statistics", "Statistics"),
]
PAGES: dict[str, Callable[[Pages, Request], Response]] = {
    "/": runs_page,
    "/run/{run}": run_page,
    "/at/{place:int}": at_place,
    "/mask/{run}": mask_page,
    "/text/{run}/{at}/{part}": text_page,
    "/judge": judge_page,
    "/compare": compare_page,
    "/pair": pair_page,
    "/statistics": statistics_page,
}


def view_app(home: Home, keys: Keys, port: int) -> Starlette:
    """The application, behind its door; what the pages look up is read as it is needed."""
    index = Index(home)
    pages = Pages(index, templates(), Queues(index))

    @asynccontextmanager
    async def open_for(_: Starlette) -> AsyncIterator[None]:
        yield
        index.close()

    routes = [
        *(Route(path, _guarded(pages, page)) for path, page in PAGES.items()),
        Route("/label", label_taker(pages), methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    door = Middleware(Door, keys=keys, port=port)
    app = Starlette(routes=routes, middleware=[door], lifespan=open_for)
    app.state.index = index
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
    environment.filters |= {"word": word, "shown": shown, "percent": percent, "score": score}
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
    ends = "" if low is None else f" ({low:.2f} to {high:.2f})"
    return f"{told}{ends}, of {found['steps']}"


def _guarded(
    pages: Pages, page: Callable[[Pages, Request], Response]
) -> Callable[[Request], Response]:
    """A page whose own errors are a page as well: one line, and never a traceback."""

    def answered(asked: Request) -> Response:
        try:
            return page(pages, asked)
        except SrftError as error:
            status = 404 if isinstance(error, UsageError) else 400
            return pages.render("refused.html", status, reason=word(str(error)))

    return answered
