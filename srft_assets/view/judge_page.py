"""The page on which people judge, and what becomes of a label that it sends."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from srft_assets.critic.gold.annotations import LabelChangedError
from srft_assets.critic.gold.labels import read_sets
from srft_assets.errors import SrftError, UsageError
from srft_assets.view.judge import (
    Change,
    Session,
    first_left,
    labels_of,
    own_letters,
    progress,
    save,
)
from srft_assets.view.pages import Pages, number
from srft_assets.view.run import letters, open_run, prompt_views, step_views


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
    at = number(asked.query_params.get("at"), first_left(queue, own))
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


def label_taker(pages: Pages) -> Callable[[Request], Awaitable[Response]]:
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
