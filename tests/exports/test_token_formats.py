"""Exported ids and labels are the verified ones."""

from pathlib import Path
from typing import Annotated, Any

import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from srft_assets.tokens.tokenizer import load_tokenizer
from srft_assets.trajectories.model import from_row
from tests.exports.conftest import Platform, text_run, tool_run

IGNORED = -100


def records(folder: Path) -> list[dict[str, Any]]:
    """All rows of an export, in the order of its files."""
    return [
        row
        for path in sorted(folder.glob("data/*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


class Tokenized(BaseModel):
    """A row as https://docs.axolotl.ai/docs/dataset-formats/tokenized.html describes it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input_ids: list[Annotated[int, Field(ge=0)]]
    attention_mask: list[Annotated[int, Field(ge=0, le=1)]]
    labels: list[int]

    @model_validator(mode="after")
    def _aligned(self) -> "Tokenized":
        assert len(self.input_ids) == len(self.attention_mask) == len(self.labels)
        pairs = zip(self.input_ids, self.labels, strict=True)
        assert all(label in (IGNORED, number) for number, label in pairs)
        return self


def test_trained_tokens_decode_to_the_accepted_steps(platform: Platform, tmp_path: Path):
    platform.export("trl", tmp_path / "set", "one")
    tokenizer = load_tokenizer(platform.tokenizer)
    runs = platform.warehouse.read("trajectories", "one").iter_rows(named=True)
    for record, run in zip(records(tmp_path / "set"), map(from_row, runs), strict=True):
        trained = tokenizer.backend.decode(
            [label for label in record["labels"] if label != IGNORED], skip_special_tokens=False
        )
        said = [run.messages[step.message_index]["content"] for step in run.steps]
        assert said[0] in trained and said[2] in trained
        assert said[1] not in trained
        assert trained.count("<|im_end|>") == 2
        whole = tokenizer.backend.decode(record["input_ids"], skip_special_tokens=False)
        assert said[1] in whole


@pytest.mark.parametrize("form", ["trl", "axolotl-tokens"])
def test_ids_and_labels_are_those_of_the_masked_rows(platform, tmp_path, form):
    platform.export(form, tmp_path / "set")
    rows = platform.rows("one") + platform.rows("two")
    for record, row in zip(records(tmp_path / "set"), rows, strict=True):
        assert record["input_ids"] == row["input_ids"]
        expected = [IGNORED] * len(row["input_ids"])
        for span in row["spans"]:
            if span["trained"]:
                expected[span["start"] : span["end"]] = row["input_ids"][
                    span["start"] : span["end"]
                ]
        assert record["labels"] == expected


def test_axolotl_gets_exactly_its_three_columns(platform, tmp_path):
    platform.export("axolotl-tokens", tmp_path / "set")
    written = records(tmp_path / "set")
    assert len(written) == len(platform.rows("one") + platform.rows("two")) > 0
    for record in written:
        assert set(Tokenized.model_validate(record).attention_mask) == {1}


def test_parquet_holds_the_rows_as_they_are(platform, tmp_path):
    platform.export("parquet", tmp_path / "set")
    assert records(tmp_path / "set") == platform.rows("one") + platform.rows("two")


def masked_whole(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "spans": [{**span, "trained": False} for span in row["spans"]]}


def test_rows_without_loss_are_left_out_and_counted(platform, tmp_path):
    first, second = platform.rows("one")
    platform.put_rows("one", [masked_whole(first), second])
    done = platform.export("trl", tmp_path / "set", "one")
    assert done.counts.without_loss == 1
    assert [record["input_ids"] for record in records(tmp_path / "set")] == [second["input_ids"]]
    assert "| no step of the run is trained | 1 |" in (tmp_path / "set/README.md").read_text()
    assert platform.export("parquet", tmp_path / "raw", "one").counts.without_loss == 0
    assert len(records(tmp_path / "raw")) == 2


def test_the_first_token_of_a_row_is_never_trained(platform, tmp_path):
    row = platform.rows("one")[1]
    row["spans"] = [{**row["spans"][0], "start": 0, "end": 3, "trained": True}]
    platform.put_rows("one", [row])
    platform.export("trl", tmp_path / "set", "one")
    (record,) = records(tmp_path / "set")
    assert record["labels"][:4] == [IGNORED, *row["input_ids"][1:3], IGNORED]


def test_a_span_outside_its_row_is_refused_and_the_rest_goes_on(platform, tmp_path):
    first, second = platform.rows("one")
    first["spans"][-1]["end"] = len(first["input_ids"]) + 1
    platform.put_rows("one", [first, second])
    done = platform.export("trl", tmp_path / "set", "one")
    assert dict(done.counts.refused) == {"a span lies outside its tokens": 1}
    assert len(records(tmp_path / "set")) == 1
    assert '"trajectory_id":"a"' in (tmp_path / "set/refused.jsonl").read_text()


@pytest.mark.parametrize("form", ["trl", "axolotl-tokens", "axolotl-messages", "openai"])
def test_other_loss_weights_are_refused_or_rounded_when_asked(platform_with, tmp_path, form):
    platform = platform_with(weights={"recover": 0.5})
    platform.add("one", text_run("a"), tool_run("b"))
    done = platform.export(form, tmp_path / "set")
    ((reason, count),) = done.counts.refused.items()
    assert (count, done.counts.total["runs"]) == (2, 0)
    assert reason.startswith("a step has a loss weight other than 0 and 1")
    done = platform.export(form, tmp_path / "set", round_weights=True)
    assert done.counts.total["runs"] == 2
    card = (tmp_path / "set/README.md").read_text()
    assert "Loss weights other than 1, by the arm: 0.5: 2 steps" in card
    assert "weigh 1 here" in card


@pytest.mark.parametrize("form", ["messages", "parquet"])
def test_formats_with_weights_carry_them(platform_with, tmp_path, form):
    platform = platform_with(weights={"recover": 0.5})
    platform.add("one", text_run("a"))
    assert platform.export(form, tmp_path / "set").counts.refused == {}
    (record,) = records(tmp_path / "set")
    if form == "parquet":
        trained = [span["weight"] for span in record["spans"] if span["trained"]]
        assert trained in ([None, 0.5], [1.0, 0.5])
    else:
        weights = [message["weight"] for message in record["messages"]]
        assert weights == [0, 0, 1, 0, 0, 0, 0.5, 0]


def test_counts_add_up(platform, tmp_path):
    counts = platform.export("trl", tmp_path / "set").counts
    rows = records(tmp_path / "set")
    total = counts.total
    assert total["tokens"] == sum(len(row["input_ids"]) for row in rows)
    assert total["trained"] == sum(label != IGNORED for row in rows for label in row["labels"])
    assert total["tokens"] == total["trained"] + total["masked"] + total["context"]
    assert {name: row["runs"] for name, row in counts.by_status.items()} == {
        "resolved": 1,
        "unresolved": 2,
    }
    assert counts.by_label["mistake"]["steps"] == 3
