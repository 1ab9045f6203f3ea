"""Gold sets, and the asset that holds them all."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from srft_assets.critic.gold.labels import (
    GoldLabel,
    Merged,
    check_set_name,
    gold_labels_stage,
    merge_labels,
    overview,
    parse_label,
    read_sets,
    unfit,
)
from srft_assets.errors import UsageError
from srft_assets.home import Home
from tests.critic.gold_support import fingerprint, make
from tests.warehouse.filled import fill
from tests.warehouse.filled_figures import ONE, TWO


def label(step: int = 0, given: str | None = "good", who: str = "ann", **more: Any) -> GoldLabel:
    cells = {"trajectory_id": ONE, "step_index": step, "label": given, "annotator": who}
    return GoldLabel.model_validate(cells | more)


def put(home: Home, name: str, *labels: GoldLabel, **how: bool) -> Merged:
    return merge_labels(home, name, enumerate(labels), "f", **how)


def lines(path: Path, rows: Iterable[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows) + b"\n")
    return path


def row(**change: object) -> dict[str, object]:
    return label().model_dump() | change


def test_what_is_no_label_is_told_in_one_line() -> None:
    bad = [
        row(label="fine"),
        row(step_index=-1),
        row(step_index="1"),
        row(annotator=""),
        row(lable="good"),
        {key: value for key, value in row().items() if key != "label"},
        ["good"],
    ]
    told = [parse_label(one) for one in bad]
    assert all(isinstance(one, str) and "\n" not in one for one in told)
    assert str(told[0]).startswith("label is 'fine': Input should be 'good'")


def test_no_note_is_an_empty_one() -> None:
    assert parse_label(row(note=None)) == label(note="")


def test_merging_again_changes_nothing(home: Home) -> None:
    given = (label(0), label(1, None), label(1, "mistake", "bob"))
    assert put(home, "s", *given).added == 3
    before = read_sets(home)
    again = put(home, "s", *given)
    assert (again.added, again.changed, again.unchanged, again.refused) == (0, 0, 3, ())
    assert read_sets(home) == before == {"s": list(given)}


def test_one_annotator_gives_a_step_one_label(home: Home) -> None:
    merged = put(home, "s", label(), label(), label(given="mistake"), label(who="bob"))
    assert (merged.added, merged.unchanged) == (2, 1)
    assert [one.line() for one in merged.refused] == [
        "f, row 2: ann labelled this step good before: give --replace to change it"
    ]


def test_a_changed_mind_must_be_stated(home: Home) -> None:
    put(home, "s", label(0), label(1, None))
    change = (label(0, "mistake"), label(1, "recover"))
    merged = put(home, "s", *change)
    assert (merged.changed, [one.row for one in merged.refused]) == (1, [0])
    assert "--replace" in merged.refused[0].reason
    assert put(home, "s", *change, overwrite=True).changed == 1
    assert [one.label for one in read_sets(home)["s"]] == ["mistake", "recover"]


def test_files_of_earlier_versions_are_taken_over(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    lines(home.gold / "lab.jsonl", [row()])
    huge = row(step_index=2**63)
    path = lines(
        home.gold / "people.jsonl", [row(at="2026"), row(label="what"), row(step_index=1), huge]
    )
    path.write_bytes(path.read_bytes() + b"{torn\n")
    assert [one.step_index for one in read_sets(home)["people"]] == [0, 1]
    assert read_sets(home)["people"][0].at == "2026"
    told = [record.getMessage() for record in caplog.records]
    assert [line.partition(" is passed")[0].rpartition(", ")[2] for line in told] == [
        str(home.gold / "lab.jsonl"),
        "row 1",
        "row 3",
        "row 4",
    ]
    assert not home.gold.exists() and (home.root / "gold-taken-over" / "people.jsonl").exists()


@pytest.mark.parametrize("name", ["../up", "a/b", "", "lab", ".hidden"])
def test_a_set_has_a_safe_and_free_name(name: str) -> None:
    with pytest.raises(UsageError):
        check_set_name(name)


def test_a_label_must_fit_a_step() -> None:
    assert unfit(label(3), {ONE: 4}) is None
    assert "steps are numbered from 0" in str(unfit(label(4), {ONE: 4}))
    assert "ingest it first" in str(unfit(label(0), {}))


def test_the_asset_holds_all_sets_and_refuses_what_fits_no_run(home: Home) -> None:
    fill(home)
    put(home, "a", label(), label(4), label(trajectory_id="x.0"))
    put(home, "b", label(trajectory_id=TWO, given=None))
    made, stamp = make(home, gold_labels_stage())
    assert made.frame.select("set", "trajectory_id", "label").rows() == [
        ("a", ONE, "good"),
        ("b", TWO, None),
    ]
    assert [(one.source, one.row) for one in stamp.refused] == [
        ("gold set a", 4),
        ("gold set a", 0),
    ]


def test_a_changed_set_makes_the_asset_stale(home: Home) -> None:
    fill(home)
    stage = gold_labels_stage()
    put(home, "a", label())
    before = fingerprint(home, stage)
    put(home, "a", label())
    assert fingerprint(home, stage) == before
    put(home, "a", label(given="mistake"), overwrite=True)
    changed = fingerprint(home, stage)
    put(home, "b", label())
    assert len({before, changed, fingerprint(home, stage)}) == 3


def test_the_overview_counts_labels_by_set(home: Home) -> None:
    put(home, "a", label(), label(given="mistake", who="bob"), label(1))
    put(home, "b", label(given=None))
    named = {cells["set"]: cells for cells in overview(home).iter_rows(named=True)}
    assert (named["a"]["labels"], named["a"]["annotators"], named["a"]["good"]) == (3, 2, 2)
    assert (named["b"]["labels"], named["b"]["skipped"]) == (0, 1)
