"""Two critics, or two versions of one, over the same runs; two arms over the same tasks."""

import difflib
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from srft_assets.critic.agreement import kappa
from srft_assets.errors import SrftError, UsageError
from srft_assets.view.index import Index, page_sql
from srft_assets.view.markup import shown
from srft_assets.view.pages import Pages
from srft_assets.view.run import open_run, step_views
from srft_assets.view.runs import Filters, find_runs

ORDER = "gumr-"
CHANGED = 25
"""Runs shown of those that changed most."""


@dataclass(frozen=True, slots=True)
class Flow:
    """How many steps with each label of one judge have each label of the other, by letter."""

    counts: dict[tuple[str, str], int]

    @property
    def steps(self) -> int:
        """Steps that both labelled, `unlabeled` included."""
        return sum(self.counts.values())

    @property
    def same(self) -> int:
        """Steps with the same label."""
        return sum(count for (a, b), count in self.counts.items() if a == b)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa over the four labels, of steps that neither left unlabeled."""
        table = np.array([[self.counts.get((a, b), 0) for b in ORDER[:4]] for a in ORDER[:4]])
        found = float(kappa(table)) if table.sum() else float("nan")
        return None if np.isnan(found) else found

    def shade(self, a: str, b: str) -> int:
        """0 to 4: how much of the row goes there."""
        row = sum(self.counts.get((a, one), 0) for one in ORDER)
        return round(4 * self.counts.get((a, b), 0) / row) if row else 0


def flow_of(index: Index, a: str, b: str, batch: str = "") -> Flow:
    """From the labels of two judges. Raises UsageError for one that is not there."""
    frames = {"given_a": index.labels(a), "given_b": index.labels(b), "given_runs": index.runs()}
    rows = index.ask(page_sql("label_flow"), {"batch": batch}, frames)
    return Flow({(one, other): count for one, other, count in rows.rows()})


def prompt_of(index: Index, judge: str) -> dict[str, Any] | None:
    """Model, prompt and settings of a version, the latest one of a critic; None where it asks no
    model, or was made before versions were kept."""
    critic, _, version = judge.partition("@")
    rows = index.ask(page_sql("versions"), {"critic": critic}).to_dicts()
    return next((row for row in rows if not version or row["version"] == version), None)


def difference(a: str, b: str) -> Markup:
    """Two texts as a diff with three lines around each change; empty where they are the same."""
    lines = difflib.unified_diff(a.splitlines(), b.splitlines(), "a", "b", lineterm="", n=3)
    return shown("\n".join([*lines][2:]), 100_000)


def _settings(stated: str | None) -> str:
    try:
        held = orjson.loads(stated or "{}")
    except orjson.JSONDecodeError:
        return stated or ""
    return orjson.dumps(held, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()


def compare_page(pages: Pages, asked: Request) -> Response:
    """`a` and `b` are judges, `arm_a` and `arm_b` arms; without them the first two there are."""
    index, params = pages.index, asked.query_params
    judges = index.judges()
    a, b = _two(params.get("a", ""), params.get("b", ""), judges)
    batch = params.get("batch", "")
    arms = _arms(index)
    arm_a, arm_b = _two(params.get("arm_a", ""), params.get("arm_b", ""), arms)
    critics = _critics(index, a, b, batch) if a and b else None
    tasks = index.ask(page_sql("arm_tasks"), {"a": arm_a, "b": arm_b}) if arm_a and arm_b else None
    rows = [] if tasks is None else tasks.to_dicts()
    return pages.render(
        "compare.html",
        judges=judges,
        batches=index.runs()["batch"].unique().sort().to_list(),
        a=a,
        b=b,
        batch=batch,
        order=ORDER,
        critics=critics,
        arms=arms,
        arm_a=arm_a,
        arm_b=arm_b,
        tasks=len(rows),
        only=[
            (arm_a, [row for row in rows if _share(row, "a") > _share(row, "b")]),
            (arm_b, [row for row in rows if _share(row, "b") > _share(row, "a")]),
        ],
    )


def _share(row: dict[str, Any], side: str) -> float:
    return float(row[f"resolved_{side}"]) / float(row[f"attempts_{side}"])


def _critics(index: Index, a: str, b: str, batch: str) -> dict[str, Any]:
    filters = Filters(
        batch=batch, critic=a, other=b, sort="disagreement", down="1", where="disagreement > 0"
    )
    found = find_runs(index, filters, 0, CHANGED)
    kept = {judge: prompt_of(index, judge) for judge in (a, b)}
    first, second = (kept[judge] or {"prompt": "", "settings": None} for judge in (a, b))
    without = [judge for judge, one in kept.items() if one is None]
    return {
        "flow": flow_of(index, a, b, batch),
        "changed": found,
        "filters": filters,
        "prompt": "" if without else difference(first["prompt"] or "", second["prompt"] or ""),
        "settings": ""
        if without
        else difference(_settings(first["settings"]), _settings(second["settings"])),
        "without": without,
    }


def _two(a: str, b: str, known: list[str]) -> tuple[str, str]:
    """What is stated, and of what is not the first there are. Raises UsageError for the unknown."""
    for stated in (a, b):
        if stated and stated not in known:
            raise UsageError(f"{stated!r} is not there; there are: {', '.join(known) or 'none'}")
    left = [one for one in known if one not in (a, b)]
    a = a or (left.pop(0) if left else "")
    return a, b or (left.pop(0) if left else "")


def _arms(index: Index) -> list[str]:
    files = index.home.warehouse.glob("eval_scores/*/*.parquet")
    return sorted({path.parent.name for path in files})


def pair_page(pages: Pages, asked: Request) -> Response:
    """Two runs side by side. Raises UsageError where one is not named."""
    names = [asked.query_params.get(side, "") for side in ("a", "b")]
    if not all(names):
        raise UsageError("name two runs: /pair?a=RUN&b=RUN")
    opened = [open_run(pages.index, name) for name in names]
    sides = [
        {
            "opened": one,
            "run": one.run,
            "base": f"/text/{name}",
            "steps": list(step_views(one, f"/text/{name}")),
            "note": _outcome(pages.index, one.run.trajectory_id),
        }
        for one, name in zip(opened, names, strict=True)
    ]
    return pages.render("pair.html", sides=sides)


def _outcome(index: Index, run: str) -> str:
    """What an evaluation says of a run; empty for a recorded one."""
    text = "SELECT arm, seed, status FROM eval_scores WHERE trajectory_id = $run LIMIT 1"
    try:
        rows = index.ask(text, {"run": run}).rows()
    except SrftError:
        return ""
    return "".join(f"{arm}, seed {seed}: {status}" for arm, seed, status in rows)
