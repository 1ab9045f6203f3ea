"""The fast half of the net: one small platform, driven through the command line.

`pytest tests/golden/test_core.py` takes less than a minute. README.md here says how to rewrite.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.golden.golden import compare
from tests.golden.product import Product
from tests.golden.recorder import Recorder, digest

pytestmark = pytest.mark.timeout(600)

FORMATS = (
    "trl",
    "axolotl-tokens",
    "axolotl-messages",
    "axolotl-spans",
    "openai",
    "messages",
    "parquet",
)
VOLATILE = {
    *("made_at", "answered_at", "day", "run_id", "bytes", "path", "median_seconds", "max_seconds"),
    *("seconds", "fingerprint", "code", "version", "last_made"),
}
"""Columns that tell a time, a run, a size on disk, or the version of the code."""
BY_TIME = ("latest",)
"""Queries whose rows hang on when things were made."""
LARGE = 3000
"""Characters of JSON; of larger answers the hash is kept."""


def test_partitions(core: Product):
    compare("core-partitions", core.partitions())


def test_requests_of_the_critics(core: Product, recorder: Recorder):
    hashes = {critic: sorted(keys) for critic, keys in sorted(recorder.hashes.items())}
    [rows] = core.sql("SELECT key FROM critic_calls")
    assert {row["key"] for row in rows} == set().union(*hashes.values())
    compare("core-requests", hashes)


def test_every_export(core: Product):
    told = core.run(
        ["export", "--arm", "srft", "--format", form, "--out", core.root / "out" / form]
        for form in FORMATS
    )
    found: dict[str, Any] = {}
    for form, printed in zip(FORMATS, told, strict=True):
        folder = core.root / "out" / form
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        found[form] = {
            "files": {path.relative_to(folder).as_posix(): content_hash(path) for path in files},
            "told": next(line for line in printed.splitlines() if " runs, " in line),
        }
    compare("core-exports", found)


def content_hash(path: Path) -> str:
    """SHA-256 of the file; of a card without the versions of the code that stand in it."""
    content = path.read_bytes()
    if path.parent.name != "data":
        text = re.sub(r"\b([0-9a-f]{64}|[0-9a-f]{8}|\d+\.\d+\.\d+)\b", "VERSION", content.decode())
        content = text.encode()
    return hashlib.sha256(content).hexdigest()


def test_every_table_view_and_query(core: Product):
    sql = core.root / "product" / "sql"
    names = sorted(
        path.stem
        for folder in ("tables", "views", "queries")
        for path in (sql / folder).iterdir()
        if path.stem not in BY_TIME
    )
    answers = core.sql(*names)
    compare("core-sql", {name: short(rows) for name, rows in zip(names, answers, strict=True)})


def short(rows: list[dict[str, Any]]) -> Any:
    """The rows without what is volatile, sorted; their number and hash where they are large."""
    kept = sorted((without_volatile(row) for row in rows), key=json.dumps)
    if len(json.dumps(kept)) <= LARGE:
        return kept
    return {"rows": len(kept), "columns": list(rows[0]), "sha256": digest(kept)}


def without_volatile(row: dict[str, Any]) -> dict[str, Any]:
    """Volatile columns are left out, figures rounded."""
    return {
        column: float(f"{value:.9g}") if isinstance(value, float) else value
        for column, value in row.items()
        if column not in VOLATILE
    }


def test_other_answers_of_the_command_line(core: Product):
    commands = {
        "stats": ["stats"],
        "plan": ["plan"],
        "critic history": ["critic", "history", "--format", "json"],
        "critic diff": ["critic", "diff", "default", "strict", "--format", "json"],
        "compare": ["compare", "--format", "json"],
        "review list": ["review", "list"],
        "show": ["show", "sum-bad", "--critic", "default", "--arm", "srft"],
        "prompt": ["critic", "prompt", "default", "sum-bad"],
        "ledger": ["ledger", "verify"],
    }
    told = core.run(commands.values(), fails=True)
    compare("core-cli", {name: lines(text) for name, text in zip(commands, told, strict=True)})


def lines(text: str) -> list[str]:
    """What was printed, less the versions, times and sizes on disk in it."""
    text = re.sub(r"\b[0-9a-f]{8}\b", "VERSION", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?", "TIME", text)
    text = re.sub(r" *[\d.,]+ [kM]?B\b", " SIZE", text)
    return [line.rstrip() for line in text.splitlines()]


Edit = Callable[[Product], None]


def of_prompt(product: Product) -> None:
    path = product.defs / "critics" / "default" / "prompt.md"
    product.edit(path, "You review the work", "You judge the work")


def of_arm(arm: str, old: str, new: str) -> Edit:
    return lambda product: product.edit(product.defs / "arms" / arm / "defs.yaml", old, new)


def of_layout(product: Product) -> None:
    of_arm("srft", "critic: default", '\n  # whose\n  critic:   "default"  ')(product)
    path = product.defs / "critics" / "default" / "defs.yaml"
    product.edit(path, "  judge: failed", "\n  judge:  'failed' # those alone")


def of_grader(product: Product) -> None:
    """Choose the local grader; without a source of the program it cannot grade."""
    product.root.joinpath("none").mkdir()
    rows = product.root / "rows.jsonl"
    task = {
        **{"instance_id": "owner__date-4", "repo": "owner/date", "base_commit": "0" * 40},
        **{"version": "1.0", "patch": "diff --git a/d.py b/d.py\n", "test_patch": ""},
        **{"FAIL_TO_PASS": '["t::a"]', "PASS_TO_PASS": "[]", "problem_statement": "Mend."},
    }
    rows.write_text(json.dumps(task) + "\n")
    choice = ["--grader", "local", "--attempts", "1", "--sources", product.root / "none"]
    product.run([["grade", "b", "--dataset", rows, *choice]], fails=True)


def of_source(product: Product) -> None:
    """Another thought in a run of batch b."""
    path = product.sources / "b.jsonl"
    kept = product.root / "kept.jsonl"
    shutil.copy2(path, kept)
    try:
        product.edit(path, "Where is it?", "Where is that?")
        product.srft("ingest", str(path), "--batch", "b")
    finally:
        kept.replace(path)


def of_gold(product: Product) -> None:
    labels = product.root / "labels.jsonl"
    [steps] = product.sql(
        "SELECT trajectory_id, step_index FROM steps WHERE batch = 'b' ORDER BY ALL"
    )
    labels.write_text(
        "".join(
            json.dumps({**step, "label": "good" if i % 2 else "mistake", "annotator": "ann"}) + "\n"
            for i, step in enumerate(steps)
        )
    )
    product.srft("review", "import", str(labels), "--set", "people")


YAML: dict[str, Edit] = {
    "one word of a prompt": of_prompt,
    "a setting of a critic": lambda product: product.critic("default", judge="all"),
    "the mask of an arm": of_arm("careful", "[mistake, unnecessary]", "[mistake]"),
    "the where of an arm": of_arm("srft", "n_steps >= 1", "n_steps >= 6"),
    "the layout of the YAML": of_layout,
}
STATE: dict[str, Edit] = {
    "the grader of a batch": of_grader,
    "gold labels": of_gold,
    "a changed source file": of_source,
}
"""Edits of the home, made on a copy of it."""
IN_SYNC = ("the layout of the YAML",)
"""Edits that change nothing."""


def test_the_plan_before_and_after_edits(core: Product, tmp_path: Path):
    def planned(name: str) -> dict[str, Any]:
        edit = (YAML | STATE)[name]
        product = core.again(tmp_path / name.replace(" ", "_"), state=name in STATE)
        edit(product)
        return product.plan()

    before = core.plan()
    with ThreadPoolExecutor(max_workers=2) as pool:
        names = [*YAML, *STATE]
        found = dict(zip(names, pool.map(planned, names), strict=True))
    after = {name: moved(before, plan) for name, plan in found.items()}
    compare("core-plan", {"before": before, "after": after})
    assert tuple(name for name, plan in after.items() if not plan) == IN_SYNC


def moved(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What an edit changed in the plan."""
    names = before.keys() | after.keys()
    return {n: after.get(n, "in sync") for n in names if before.get(n) != after.get(n)}
