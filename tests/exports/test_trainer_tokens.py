"""Ids and masks in the columns of SkyRL, LLaMA-Factory, Together and Tinker are those verified."""

import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from srft_assets.errors import UsageError
from srft_assets.exports import FormatName
from srft_assets.exports.writer import MANIFEST
from srft_assets.tokens.token_labels import IGNORED, MaskedRow, label_tokens
from tests.exports.conftest import Platform, text_run, tool_run
from tests.exports.libraries import installed
from tests.exports.test_token_formats import records
from tests.exports.trainers import read


def verified(platform: Platform) -> list[tuple[list[int], list[int]]]:
    """Ids and labels of every masked row."""
    batches = platform.warehouse.partitions("masked_tokens/srft")
    rows = [MaskedRow.from_row(row) for name in batches for row in platform.rows(name)]
    return [(row.input_ids.tolist(), row.labels().tolist()) for row in rows]


def test_skyrl_gets_the_ids_and_a_mask_of_their_length(platform, tmp_path):
    platform.export("skyrl", tmp_path / "set")
    rows = records(tmp_path / "set")
    assert [set(row) for row in rows] == [{"input_ids", "loss_mask"}] * 3
    for row, (ids, labels) in zip(rows, verified(platform), strict=True):
        assert row["input_ids"] == ids
        assert row["loss_mask"] == [int(label != IGNORED) for label in labels]


def test_skyrl_finds_files_of_one_kind_in_the_folder_that_the_card_names(
    platform: Platform, tmp_path: Path
):
    platform.export("skyrl", tmp_path / "set")
    assert (
        "pretokenized_dataset_paths=\"['FOLDER/data']\"" in (tmp_path / "set/README.md").read_text()
    )
    found = {path.suffix for path in (tmp_path / "set/data").rglob("*")}
    assert found == {".parquet"}


def test_llamafactory_reads_the_verified_labels(platform, tmp_path):
    platform.export("llamafactory-tokens", tmp_path / "set")
    rows = read(FormatName.LLAMAFACTORY_TOKENS, tmp_path / "set", platform.tokenizer)
    assert [(row["input_ids"], row["labels"]) for row in rows] == verified(platform)


def test_tinker_reads_the_verified_weights(platform_with, tmp_path):
    platform = platform_with(weights={"recover": 0.5})
    platform.add("one", text_run("a"), tool_run("b"))
    assert not platform.export("tinker", tmp_path / "set").counts.refused
    rows = read(FormatName.TINKER, tmp_path / "set", platform.tokenizer)
    masked = map(MaskedRow.from_row, platform.rows("one"))
    expected = [(row.input_ids, *label_tokens(row.input_ids, row.spans)) for row in masked]
    assert 0.5 in rows[0]["weights"]
    for row, (ids, labels, weights) in zip(rows, expected, strict=True):
        assert row["input_ids"] == ids.tolist()
        assert row["labels"] == labels.tolist()
        assert row["weights"] == weights.tolist()


def test_masked_mistakes_may_weigh_less_than_nothing_for_tinker(platform, tmp_path):
    platform.export("tinker", tmp_path / "set", "one", mistake_weight=-0.25)
    read_rows = read(FormatName.TINKER, tmp_path / "set", platform.tokenizer)
    for read_row, row in zip(read_rows, platform.rows("one"), strict=True):
        good, mistake, recover = row["spans"]
        weights = read_row["weights"]
        assert set(weights[mistake["start"] : mistake["end"]]) == {-0.25}
        for span in (good, recover):
            assert set(weights[span["start"] : span["end"]]) == {1.0}
        assert weights.count(-0.25) == mistake["end"] - mistake["start"]
    assert "Masked mistakes weigh -0.25 here." in (tmp_path / "set/README.md").read_text()


@pytest.mark.parametrize(
    ("form", "weight"), [("trl", -0.25), ("tinker", 0.25), ("tinker", -math.inf)]
)
def test_other_formats_and_other_weights_of_mistakes_are_refused(platform, tmp_path, form, weight):
    with pytest.raises(UsageError, match="below 0, and for tinker only"):
        platform.export(form, tmp_path / "set", "one", mistake_weight=weight)
    assert not (tmp_path / "set").exists()


def test_together_takes_the_file(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    library = installed("together==3.1.1", "detect-agent==0.6.0")
    monkeypatch.syspath_prepend(str(library))
    platform.export("together", tmp_path / "set")
    from together.lib.utils.files import check_file

    (path,) = (tmp_path / "set/data").iterdir()
    report = check_file(path, purpose="fine-tune")
    assert report["is_check_passed"], report
    assert report["num_samples"] == 3
    rows = records(tmp_path / "set")
    assert [(row["input_ids"], row["labels"]) for row in rows] == verified(platform)
    assert all(row["attention_mask"] == [1] * len(row["input_ids"]) for row in rows)


def test_a_saved_data_set_is_the_same_bytes_again_and_every_file_is_listed(
    platform: Platform, tmp_path: Path
):
    listed = []
    for name in ("first", "second"):
        platform.export("llamafactory-tokens", tmp_path / name)
        listed.append(json.loads((tmp_path / name / MANIFEST).read_bytes())["files"])
        found = {p.relative_to(tmp_path / name).as_posix() for p in files(tmp_path / name)}
        assert found == {*listed[-1], MANIFEST}
    assert listed[0] == listed[1]
    platform.export("trl", tmp_path / "first")
    assert [path.name for path in files(tmp_path / "first/data")] == [
        "train-00000-of-00001.parquet"
    ]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_saved_data_set_is_divided_into_files_of_bounded_size(platform_with, tmp_path):
    from datasets import load_from_disk

    platform = platform_with()
    platform.add("one", *(text_run(f"run-{number}", "word " * 400) for number in range(8)))
    platform.export("llamafactory-tokens", tmp_path / "set", shard_bytes=8_000)
    shards = sorted((tmp_path / "set/data/train").glob("*.arrow"))
    assert len(shards) > 1
    rows: Any = load_from_disk(str(tmp_path / "set/data"))["train"]
    assert [(row["input_ids"], row["labels"]) for row in rows] == verified(platform)


def test_the_card_names_the_rows_for_the_hub(platform, tmp_path):
    from datasets import load_dataset

    platform.export("llamafactory-tokens", tmp_path / "set")
    rows = load_dataset(str(tmp_path / "set"), split="train", cache_dir=str(tmp_path / "cache"))
    assert [(row["input_ids"], row["labels"]) for row in rows] == verified(platform)


@pytest.mark.parametrize("form", ["skyrl", "together"])
def test_formats_of_a_mask_take_no_other_weights(platform_with, tmp_path, form):
    platform = platform_with(weights={"recover": 0.5})
    platform.add("one", text_run("a"))
    assert platform.export(form, tmp_path / "set").counts.refused.total() == 1
    (path,) = (tmp_path / "set/data").iterdir()
    assert pq.read_metadata(path).num_rows == 0
