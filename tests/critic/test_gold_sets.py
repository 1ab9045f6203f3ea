"""Gold sets as files, and the asset that holds them all."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from srft_assets.critic.gold.labels import GoldLabel, unfit
from srft_assets.critic.gold.overview import overview
from srft_assets.critic.gold.sets import merge_labels, read_set, set_path
from srft_assets.critic.gold.stage import gold_labels_stage
from srft_assets.errors import UsageError
from srft_assets.home import Home
from tests.critic.gold_support import fingerprint, make
from tests.warehouse.filled import fill
from tests.warehouse.filled_figures import ONE, TWO


def label(step: int = 0, given: str | None = "good", who: str = "ann", **more: Any) -> GoldLabel:
    cells = {"trajectory_id": ONE, "step_index": step, "label": given, "annotator": who}
    return GoldLabel.model_validate(cells | more)


def lines(path: Path, rows: Iterable[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows) + b"\n")
    return path


def row(**change: object) -> dict[str, object]:
    return label().model_dump() | change


def test_a_bad_line_is_refused_with_its_row_and_the_rest_goes_on(tmp_path: Path) -> None:
    bad = [
        row(label="fine"),
        row(step_index=-1),
        row(step_index="1"),
        row(annotator=""),
        row(lable="good"),
        {key: value for key, value in row().items() if key != "label"},
        ["good"],
    ]
    path = lines(tmp_path / "s.jsonl", [row(), *bad, row(step_index=1)])
    path.write_bytes(path.read_bytes() + b"{torn\n\n")
    labels, refused = read_set(path)
    assert [(place, one.step_index) for place, one in labels] == [(0, 0), (8, 1)]
    assert [one.row for one in refused] == [*range(1, 8), 9]
    assert (
        refused[0].line().startswith("gold/s.jsonl, row 1: label is 'fine': Input should be 'good'")
    )
    assert all(one.source == "gold/s.jsonl" and "\n" not in one.reason for one in refused)


def test_one_annotator_gives_a_step_one_label(tmp_path: Path) -> None:
    rows = [row(), row(), row(label="mistake"), row(label="mistake", annotator="bob")]
    labels, refused = read_set(lines(tmp_path / "s.jsonl", rows))
    assert [(one.annotator, one.label) for _, one in labels] == [
        ("ann", "good"),
        ("bob", "mistake"),
    ]
    assert [one.line() for one in refused] == [
        "gold/s.jsonl, row 2: ann labelled this step good before"
    ]


def test_merging_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    given = [(0, label(0)), (1, label(1, None)), (2, label(1, "mistake", "bob"))]
    assert merge_labels(path, given, "f").added == 3
    before = path.read_bytes(), path.stat().st_mtime_ns
    again = merge_labels(path, given, "f")
    assert (again.added, again.changed, again.unchanged, again.refused) == (0, 0, 3, ())
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_changed_mind_must_be_stated(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    merge_labels(path, [(0, label(0)), (1, label(1, None))], "f")
    change = [(0, label(0, "mistake")), (1, label(1, "recover"))]
    merged = merge_labels(path, change, "f")
    assert (merged.changed, [one.row for one in merged.refused]) == (1, [0])
    assert "--replace" in merged.refused[0].reason
    assert merge_labels(path, change, "f", overwrite=True).changed == 1
    assert [one.label for _, one in read_set(path)[0]] == ["mistake", "recover"]


def test_merging_keeps_lines_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"mine": "precious"}\n')
    merge_labels(path, [(0, label())], "f")
    assert b"precious" in path.read_bytes()
    assert len(read_set(path)[0]) == len(read_set(path)[1]) == 1


@pytest.mark.parametrize("name", ["../up", "a/b", "", "lab", ".hidden"])
def test_a_set_has_a_safe_and_free_name(home: Home, name: str) -> None:
    with pytest.raises(UsageError):
        set_path(home, name)


def test_a_label_must_fit_a_step() -> None:
    assert unfit(label(3), {ONE: 4}) is None
    assert "steps are numbered from 0" in str(unfit(label(4), {ONE: 4}))
    assert "ingest it first" in str(unfit(label(0), {}))


def test_the_asset_holds_all_sets_and_refuses_what_fits_no_run(home: Home) -> None:
    fill(home)
    lines(set_path(home, "a"), [row(), row(step_index=4), row(trajectory_id="x.0")])
    lines(set_path(home, "b"), [row(trajectory_id=TWO, label=None)])
    lines(home.gold / "lab.jsonl", [row()])
    made, stamp = make(home, gold_labels_stage())
    assert made.frame.select("set", "trajectory_id", "label").rows() == [
        ("a", ONE, "good"),
        ("b", TWO, None),
    ]
    assert [(one.source, one.row) for one in stamp.refused] == [
        ("gold/a.jsonl", 1),
        ("gold/a.jsonl", 2),
        ("gold/lab.jsonl", None),
    ]


def test_a_changed_set_makes_the_asset_stale_and_an_untouched_one_does_not(home: Home) -> None:
    fill(home)
    stage = gold_labels_stage()
    path = lines(set_path(home, "a"), [row()])
    before = fingerprint(home, stage)
    path.touch()
    assert fingerprint(home, stage) == before
    lines(path, [row(label="mistake")])
    changed = fingerprint(home, stage)
    lines(set_path(home, "b"), [row()])
    assert len({before, changed, fingerprint(home, stage)}) == 3


def test_the_overview_counts_labels_by_set(home: Home) -> None:
    lines(set_path(home, "a"), [row(), row(label="mistake", annotator="bob"), row(step_index=1)])
    lines(set_path(home, "b"), [row(label=None), row(label="what")])
    sets, refused = overview(home)
    named = {cells["set"]: cells for cells in sets.iter_rows(named=True)}
    assert (named["a"]["labels"], named["a"]["annotators"], named["a"]["good"]) == (3, 2, 2)
    assert (named["b"]["labels"], named["b"]["skipped"]) == (0, 1)
    assert [one.row for one in refused] == [1]
