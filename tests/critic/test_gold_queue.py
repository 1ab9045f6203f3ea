"""Which steps people are asked about, and what they are shown of them."""

import csv
import io
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.critic.gold.annotations import NOTE, QUESTION
from srft_assets.critic.gold.queue import allocate, bare, harmless, stratified, write_queue
from srft_assets.critic.prompt.template import MEANINGS
from srft_assets.critic.spec import LABELS
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from tests.critic.gold_support import queue
from tests.warehouse.filled import fill, put
from tests.warehouse.filled_figures import BATCHES, COMMANDS, RULES, STRICT, TWO
from tests.warehouse.filled_frames import trajectories

PAGE = Path(__file__).parents[2] / "docs" / "gold.md"


STEPS = {run: len(commands) for run, commands in COMMANDS.items()}


@given(
    sizes=st.dictionaries(st.text(max_size=3), st.integers(1, 50), max_size=8),
    total=st.integers(0, 200),
    floor=st.integers(0, 10),
)
def test_what_is_taken_adds_up_and_no_stratum_gives_more_than_it_has(
    sizes: dict[str, int], total: int, floor: int
) -> None:
    taken = allocate(sizes, total, floor)
    assert sum(taken.values()) == min(total, sum(sizes.values()))
    assert all(0 <= taken[stratum] <= size for stratum, size in sizes.items())
    least = min(floor, min(total, sum(sizes.values())) // max(1, len(sizes)))
    assert all(taken[stratum] >= min(size, least) for stratum, size in sizes.items())


def test_without_a_floor_shares_are_proportional() -> None:
    assert allocate({"a": 90, "b": 9, "c": 1}, 10, 0) == {"a": 9, "b": 1, "c": 0}
    assert allocate({"a": 90, "b": 9, "c": 1}, 10, 1) == {"a": 7, "b": 2, "c": 1}


@given(
    strata=st.lists(st.integers(0, 4), max_size=60), size=st.integers(0, 80), seed=st.integers(0, 9)
)
def test_a_step_is_never_chosen_twice_and_a_seed_always_chooses_the_same(
    strata: list[int], size: int, seed: int
) -> None:
    items = [(stratum, place) for place, stratum in enumerate(strata)]
    chosen = stratified(items, size, 2, seed)
    assert len(chosen) == len(set(chosen)) == min(size, len(items))
    assert chosen == stratified(items, size, 2, seed)


def test_rare_labels_of_the_critic_are_asked_about_too(warehouse: Warehouse) -> None:
    rows = queue(warehouse, list(BATCHES), critic="rules", size=11, floor=1)
    asked = Counter(RULES[row["trajectory_id"]][row["step_index"]] for row in rows)
    assert set(asked) == {"good", "unnecessary", "mistake", "recover"}
    assert [(row["trajectory_id"], row["step_index"]) for row in rows] == sorted(
        (row["trajectory_id"], row["step_index"]) for row in rows
    )


def test_annotators_see_context_and_no_verdict(warehouse: Warehouse) -> None:
    rows = queue(warehouse, list(BATCHES), critic="rules", size=99)
    assert len(rows) == sum(STEPS.values())
    (row,) = [one for one in rows if one["id"] == f"{TWO}:2"]
    assert row["action"] == "bash: git checkout y.py"
    assert row["previous"] == "step 1: bash: sed -i s/c/d/ y.py\n→ seen"
    assert (row["thought"], row["observation"], row["outcome"]) == (
        "thought 2",
        "seen",
        "unresolved",
    )
    assert b"recover" not in orjson.dumps(row) and b"because" not in orjson.dumps(row)
    shown = queue(warehouse, list(BATCHES), critic="rules", size=99, show_verdict=True)
    assert {(one["verdict"], one["verdict_reason"]) for one in shown if one["id"] == row["id"]} == {
        ("recover", "because")
    }


def test_a_critic_that_judged_nothing_is_told(warehouse: Warehouse) -> None:
    with pytest.raises(UsageError, match="no steps judged by critic nobody in real"):
        queue(warehouse, ["real"], critic="nobody")


def test_hostile_and_huge_texts_are_cut_and_made_visible(home: Home) -> None:
    warehouse = fill(home)
    frame = trajectories("real")
    huge = ["=1+1\x1b[31m" + "x" * 10_000_000 + "end"]
    observations = [[huge] * count for count in frame["n_steps"]]
    huge_ones = pl.Series(observations, dtype=frame.schema["step_observations"])
    put(warehouse, "trajectories", "real", frame.with_columns(step_observations=huge_ones))
    (row, *_) = queue(warehouse, ["real"], size=1)
    assert len(row["observation"]) < 5_000
    assert row["observation"].startswith("=1+1␛[31mxxx") and row["observation"].endswith("xend")
    assert "tokens cut" in row["observation"]


def test_annotators_and_critics_are_told_the_same_of_labels() -> None:
    rows = [f"| `{label}` | {meaning} |" for label, meaning in MEANINGS.items()]
    assert set(rows) <= set(PAGE.read_text().splitlines())


def test_the_documented_config_of_label_studio_fits_the_queue(warehouse: Warehouse) -> None:
    (row,) = queue(warehouse, ["real"], size=1)
    config = ElementTree.fromstring(re.search(r"```xml\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])  # type: ignore[index]
    assert {text.get("value") for text in config.iter("Text")} <= {f"${name}" for name in row}
    assert [choices.get("name") for choices in config.iter("Choices")] == [QUESTION]
    assert [area.get("name") for area in config.iter("TextArea")] == [NOTE]
    assert {choice.get("value") for choice in config.iter("Choice")} == set(LABELS)


@given(st.text(alphabet=st.sampled_from("'=+-@\t\rab\n,\""), max_size=8))
def test_no_cell_is_a_formula_and_every_cell_is_read_back(text: str) -> None:
    safe = str(harmless(text))
    assert safe[:1] not in tuple("=+-@\t\r")
    assert bare(safe) == text


HOSTILE = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.lists(st.fixed_dictionaries({"id": HOSTILE, "thought": HOSTILE}), min_size=1, max_size=5))
def test_hostile_text_survives_a_csv_file(rows: list[dict[str, str]]) -> None:
    text = write_queue(rows, "csv").decode()
    read = csv.DictReader(io.StringIO(text, newline=""))
    assert [{name: bare(cell) for name, cell in row.items()} for row in read] == rows


def test_steps_on_which_another_critic_differs_come_first(warehouse: Warehouse) -> None:
    asked = [
        (row["trajectory_id"], row["step_index"])
        for row in queue(warehouse, list(BATCHES), critic="rules", size=99, other="strict")
    ]
    assert len(asked) == len(set(asked)) == sum(map(len, RULES.values()))
    differ = [RULES[run][step] != STRICT[run][step] for run, step in asked]
    assert differ == [True] * sum(differ) + [False] * (len(asked) - sum(differ))
    assert sum(differ) == 3
