"""Runs, verdicts and masks in the browser; labels that people give there. See docs/view.md."""

from urllib.parse import urlencode

from srft_assets.project.settings import settings


def link(asset: str, partition: str) -> str | None:
    """The page that shows a partition; it holds no token. None for an asset without a page.

    `asset`: its key, e.g. `step_verdicts/rules`; `partition`: empty for all of it.
    """
    table, _, name = asset.partition("/")
    pages: dict[str, tuple[str, dict[str, str]]] = {
        "trajectories": ("/", {"batch": partition}),
        "test_outcomes": ("/", {"batch": partition, "sort": "status"}),
        "integrity": ("/", {"batch": partition}),
        "step_verdicts": ("/", {"batch": partition, "critic": name}),
        "masked_tokens": ("/", {"batch": partition}),
        "checkpoints": ("/statistics", {"chart": "losses"}),
        "eval_scores": ("/statistics", {"chart": "arms"}),
        "comparison": ("/compare", {}),
        "gold_labels": ("/judge", {}),
        "critic_scores": ("/statistics", {"chart": "f1"}),
    }
    if table not in pages:
        return None
    path, stated = pages[table]
    asked = {name: value for name, value in stated.items() if value}
    return f"http://127.0.0.1:{settings().view.port}{path}{'?' if asked else ''}{urlencode(asked)}"
