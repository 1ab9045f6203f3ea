"""Reports, and what the readers make of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from srft_assets.errors import Refusal
from srft_assets.outcomes.reports import parse_report
from srft_assets.outcomes.status import ReportedOutcome

ID = "django__django-1"


def parse(value: Any, path: str = f"logs/{ID}/report.json", **beside: str) -> list[Any]:
    data = value if isinstance(value, bytes) else orjson.dumps(value)
    names = {"run_instance": "run_instance.log"}
    logs = {names.get(key, f"{key}.txt"): value for key, value in beside.items()}
    return list(parse_report(data, path, logs))


def read_reports(path: Path) -> Iterator[ReportedOutcome | Refusal]:
    """What the report file, or every JSON file below a folder, says; with its logs."""
    for file in sorted(path.rglob("*.json*")) if path.is_dir() else [path]:
        logs = [*file.parent.glob("*.txt"), *file.parent.glob("*.log"), *file.parent.glob("*.diff")]
        beside = {log.name: log.read_text("utf-8", "replace") for log in logs}
        named = file.name == "report.json"
        yield from parse_report(file.read_bytes(), file.as_posix(), beside if named else {})


def one(value: Any, **beside: str) -> ReportedOutcome:
    (outcome,) = parse(value, **beside)
    assert isinstance(outcome, ReportedOutcome), outcome
    return outcome


def refusal(value: Any) -> str:
    (refused,) = parse(value)
    assert isinstance(refused, Refusal)
    return refused.reason


def graded(
    resolved: bool, f2p: tuple[int, int] = (1, 0), p2p: tuple[int, int] = (2, 0), **flags: Any
) -> dict[str, Any]:
    """A report of one instance, with this many tests that passed and failed."""
    return {
        "patch_is_None": False,
        "patch_exists": True,
        "patch_successfully_applied": True,
        "resolved": resolved,
        "tests_status": {
            kind: {
                "success": [f"{kind}-s{i}" for i in range(good)],
                "failure": [f"{kind}-f{i}" for i in range(bad)],
            }
            for kind, (good, bad) in (("FAIL_TO_PASS", f2p), ("PASS_TO_PASS", p2p))
        },
        **flags,
    }
