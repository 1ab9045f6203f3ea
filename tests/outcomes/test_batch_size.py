"""An outcome does not depend on how the runs of an ingest are spread over batches."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srft_assets.errors import Refusal
from srft_assets.home import Home
from srft_assets.outcomes import stage
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.outcomes.status import Run, Status, TestOutcome
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.stage import Work
from tests.outcomes.conftest import make
from tests.outcomes.stage_support import report, write_run
from tests.trajectories.ingest_support import put, run_of, write_lines

NAMES = st.sampled_from(["x__y-1", "x__y-2"])
MODELS = st.sampled_from([None, "m-1", "m-2"])
PATCHES = st.sampled_from([None, "", "+a\n", "+b\n"])
FOLDERS = st.sampled_from([".", "one", "two"])
ENDS = st.sampled_from([None, None, None, "APIError"])
"""How a run crashed, if it did."""
RUNS = st.lists(
    st.tuples(FOLDERS, st.sampled_from(["rows", "table", "file"]), NAMES, MODELS, PATCHES, ENDS),
    min_size=2,
    max_size=6,
)
REPORTS = st.lists(
    st.tuples(
        FOLDERS,
        st.sampled_from(["list", "others", "instance", "predictions", "graded"]),
        NAMES,
        MODELS,
        PATCHES,
    ),
    min_size=1,
    max_size=3,
)


def write_all(root: Path, runs: list[tuple], reports: list[tuple]) -> None:
    lines: dict[Path, list[dict[str, Any]]] = {}
    for number, (folder, kind, name, model, patch, crash) in enumerate(runs):
        stated = {"model": model} if model else {}
        if kind == "file":
            config = {"config": {"model": {"model_name": model}}} if model else {}
            ended = {"exit_status": crash} if crash or patch is None else {}
            write_run(root / folder / str(number), name, name, patch, **config, **ended)
            continue
        at = root / folder / f"{kind}.{'jsonl' if kind == 'rows' else 'json'}"
        row = {**run_of(name, turns=number + 1), "patch": patch, **stated}
        row |= {"exit_status": crash} if crash else {}
        lines.setdefault(at, []).append(row)
    for at, rows in lines.items():
        put(at, rows) if at.suffix == ".json" else write_lines(at, rows)
    for number, (folder, kind, name, model, patch) in enumerate(reports):
        at = root / folder / f"{number}-report.json"
        stated = {"model_name_or_path": model} if model else {}
        match kind:
            case "list":
                put(at, {"resolved_ids": [name], "unresolved_ids": [], **stated})
            case "others":
                put(at, {"no_generation": [], "no_logs": [], "resolved": [name]})
            case "instance":
                report(root / folder / "logs", name, resolved=True)
            case "predictions":
                put(at, [{"instance_id": name, "model_patch": patch, **stated}])
            case "graded":
                report(root / folder / f"graded-{number}", name, resolved=True)
                put(root / folder / f"graded-{number}" / name / "patch.diff", patch or "")


def outcomes(root: Path, size: int) -> dict[tuple[str, int | None], tuple[str, str]]:
    """File and row of each run → its status, and why."""
    home = Home(root.parent / f"home-{size}")
    plan = ingest(home, [root], batch="b", batch_size=size)
    warehouse, frames = Warehouse(home.warehouse), []
    for name in plan.batches:
        make(home, trajectories_stage(), name)
        make(home, test_outcomes_stage(), name)
        told = warehouse.read("test_outcomes", name)
        of = warehouse.read("trajectories", name).select("trajectory_id", "source", "source_row")
        frames.append(told.join(of, on="trajectory_id", validate="1:1"))
    rows = pl.concat(frames).select("source", "source_row", "status", "reason").iter_rows()
    return {(source, row): (status, reason) for source, row, status, reason in rows}


@settings(max_examples=12, deadline=None, print_blob=True)
@given(runs=RUNS, reports=REPORTS, size=st.integers(1, 3))
def test_the_size_of_batches_decides_nothing(runs: list, reports: list, size: int) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder) / "in"
        write_all(root, runs, reports)
        assert outcomes(root, size) == outcomes(root, 200)


def test_a_report_beside_rows_of_one_task_says_nothing_of_either(tmp_path: Path) -> None:
    write_all(tmp_path / "in", two_rows(), LISTED)
    for size in (200, 1):
        assert {status for status, _ in outcomes(tmp_path / "in", size).values()} == {"unknown"}


LISTED = [(".", "list", "x__y-1", None, None)]


def two_rows(crash: str | None = None) -> list[tuple]:
    """Two runs of one task in one file, of which the first may have crashed."""
    return [(".", "rows", "x__y-1", None, f"+{n}\n", None if n else crash) for n in range(2)]


def test_the_report_of_a_crashed_run_with_a_patch_may_not_be_its_neighbours(tmp_path: Path) -> None:
    write_all(tmp_path / "in", two_rows("APIError"), LISTED)
    for size in (200, 1):
        told = outcomes(tmp_path / "in", size)
        assert sorted(status for status, _ in told.values()) == ["infra_error", "unknown"]


def test_a_run_that_is_graded_stays_a_rival_of_one_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a grader fails for one run only, its report is as uncertain as it was for both."""

    def grade(work: Work, runs: list[Run]) -> tuple[dict[str, TestOutcome], list[Refusal]]:
        status = {"+0\n": Status.UNRESOLVED, "+1\n": Status.INFRA_ERROR}
        of = {r.trajectory_id: status[r.submission or ""] for r in runs}
        return {i: TestOutcome(i, "x__y-1", s, grader="srft-test") for i, s in of.items()}, []

    monkeypatch.setattr(stage, "grade_chosen", grade)
    write_all(tmp_path / "in", two_rows(), LISTED)
    for size in (200, 1):
        told = outcomes(tmp_path / "in", size)
        assert sorted(status for status, _ in told.values()) == ["infra_error", "unresolved"]
