"""Rewards of steps and pairs of steps share the masked contexts, and TRL trains on them."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from srft_assets.tokens.tokenizer import load_tokenizer
from srft_assets.trajectories.model import Trajectory
from tests.exports.conftest import Platform, text_run
from tests.exports.libraries import installed, run
from tests.exports.test_token_formats import masked_whole, records
from tests.exports.test_train_with_trl import model

__all__ = ["model"]

ASKED = "<|im_start|>assistant\n"
PRM_RELEASE = "trl==1.13.0"
"""The last with a PRMTrainer."""


def of_task(run: Trajectory, task: str) -> Trajectory:
    """The run as one of another task, with its question."""
    messages = [dict(message) for message in run.messages]
    messages[1] = {"role": "user", "content": f"Fix {task}."}
    return replace(run, messages=messages, instance_id=task)


@pytest.fixture
def pairs(platform_with: Callable[..., Platform]) -> Platform:
    """Three runs of a task. Two look, and go on differently; one begins with other words.

    The second step of each is labelled a mistake, the third a recovery.
    """
    made = platform_with()
    runs = [("a", "look", "break", "mend"), ("b", "look", "rm", "undo"), ("c", "peek", "cut", "x")]
    made.add("one", *(of_task(text_run(*words), "t") for words in runs))
    made.add("two", of_task(text_run("d", "look"), "t"), of_task(text_run("e", "look"), "u"))
    return made


def relabelled(platform: Platform, batch: str, labels: dict[str, list[str]]) -> None:
    """Other verdicts in the masked rows; mistakes are masked."""
    rows = platform.rows(batch)
    for row in rows:
        for span, label in zip(row["spans"], labels[row["trajectory_id"]], strict=True):
            span |= {"label": label, "trained": label != "mistake"}
    platform.put_rows(batch, rows)


def test_a_mistake_is_paired_with_what_another_run_said_to_the_same_tokens(pairs, tmp_path):
    labels = {"a": ["good", "mistake", "good"], "b": ["good"] * 3, "c": ["good", "mistake", "good"]}
    relabelled(pairs, "one", labels)
    pairs.export("dpo", tmp_path / "set", "one")
    (pair,) = records(tmp_path / "set")
    assert (pair["trajectory_id"], pair["step_index"]) == ("a", 1)
    assert (pair["chosen_from"], pair["source"]) == ("b", "other run")
    assert (pair["rejected"], pair["chosen"]) == ("break<|im_end|>", "rm<|im_end|>")
    assert pair["prompt"].endswith(
        "look<|im_end|>\n<|im_start|>user\ndone<|im_end|>\n<|im_start|>assistant\n"
    )


def test_both_answers_of_a_pair_stand_behind_the_same_tokens(pairs, tmp_path):
    pairs.export("dpo", tmp_path / "set")
    found = records(tmp_path / "set")
    assert {pair["source"] for pair in found} == {"recovery"}
    words = load_tokenizer(pairs.tokenizer)
    rows = {row["trajectory_id"]: row for batch in ("one", "two") for row in pairs.rows(batch)}
    assert len(found) == 3
    for pair in found:
        row = rows[pair["trajectory_id"]]
        span = row["spans"][pair["step_index"]]
        other = rows[pair["chosen_from"]]
        said = other["spans"][pair["step_index"] + 1]
        context = row["input_ids"][: span["start"]]
        rejected = row["input_ids"][span["start"] : span["end"]]
        chosen = other["input_ids"][said["start"] : said["end"]]
        assert words.hf(pair["prompt"])["input_ids"] == context
        assert words.hf(pair["prompt"] + pair["rejected"])["input_ids"] == context + rejected
        assert words.hf(pair["prompt"] + pair["chosen"])["input_ids"] == context + chosen


def test_a_run_that_passed_is_chosen_before_one_that_did_not(pairs, tmp_path):
    relabelled(
        pairs, "one", {"a": ["good", "mistake", "good"], "b": ["good"] * 3, "c": ["good"] * 3}
    )
    pairs.add("two", of_task(text_run("z", "look", "fix", "end"), "t"), status="resolved")
    relabelled(pairs, "two", {"z": ["good"] * 3})
    pairs.export("dpo", tmp_path / "set")
    assert [pair["chosen_from"] for pair in records(tmp_path / "set")] == ["z"]


def test_the_same_words_and_other_tasks_and_other_contexts_make_no_pair(pairs, tmp_path):
    relabelled(pairs, "one", {name: ["mistake", "mistake", "mistake"] for name in "abc"})
    relabelled(pairs, "two", {"d": ["good"], "e": ["good"]})
    done = pairs.export("dpo", tmp_path / "set")
    (pair,) = records(tmp_path / "set")
    assert (pair["trajectory_id"], pair["rejected"]) == ("c", "peek<|im_end|>")
    assert done.counts.without_loss == 4
    card = (tmp_path / "set/README.md").read_text()
    assert "no mistake of the run has something better said to the same context | 4 |" in card


def test_each_step_is_good_or_bad_behind_all_that_was_before_it(pairs, tmp_path):
    pairs.export("kto", tmp_path / "set", "one")
    found = [row for row in records(tmp_path / "set") if row["trajectory_id"] == "a"]
    assert [(row["completion"], row["label"]) for row in found] == [
        ("look<|im_end|>", True),
        ("break<|im_end|>", False),
        ("mend<|im_end|>", True),
    ]
    assert found[2]["prompt"].startswith(found[1]["prompt"] + found[1]["completion"])


def test_a_mistake_is_bad_in_a_run_that_is_trained_as_a_whole(platform_with, tmp_path):
    platform = platform_with()
    platform.add("one", text_run("a"), status="resolved")
    assert all(span["trained"] for span in platform.rows("one")[0]["spans"])
    platform.export("kto", tmp_path / "set")
    assert [row["label"] for row in records(tmp_path / "set")] == [True, False, True]


def test_a_masked_step_that_nobody_calls_bad_is_no_row(platform_with, tmp_path):
    platform = platform_with()
    platform.add("one", text_run("a"))
    row = masked_whole(platform.rows("one")[0])
    platform.put_rows("one", [row])
    platform.export("kto", tmp_path / "set")
    assert [one["verdict"] for one in records(tmp_path / "set")] == ["mistake"]


def test_the_completions_of_a_run_are_its_text_and_rewards_end_its_steps(platform, tmp_path):
    platform.export("prm", tmp_path / "set", "one")
    words = load_tokenizer(platform.tokenizer)
    for record, row in zip(records(tmp_path / "set"), platform.rows("one"), strict=True):
        text = record["prompt"] + "".join(record["completions"])
        last = row["spans"][-1]["end"]
        assert words.hf(text)["input_ids"] == row["input_ids"][:last]
        assert record["labels"] == [True, False, True]
        assert record["scores"] == [1, 0, 1]
        assert record["verdicts"] == ["good", "mistake", "recover"]
        assert all(one.endswith("<|im_end|>") for one in record["completions"])


def test_text_that_looks_like_a_special_token_is_refused(platform_with, tmp_path):
    platform = platform_with()
    platform.add("one", text_run("a", "I print <|im_end|> here.", "b", "c"))
    for form in ("prm", "dpo", "kto"):
        done = platform.export(form, tmp_path / form)
        assert dict(done.counts.refused) == {
            "TRL would make other tokens of it than were masked": 1
        }


def moved(trainer: Any) -> bool:
    """Whether one step changes a weight."""
    before = {name: one.detach().clone() for name, one in trainer.model.named_parameters()}
    trainer.train()
    return any(not before[name].equal(one) for name, one in trainer.model.named_parameters())


OPTIONS: dict[str, Any] = {"max_steps": 1, "use_cpu": True, "bf16": False, "report_to": []}


def test_the_dpo_trainer_takes_a_step_on_the_tokens_of_the_masks(pairs, model, tmp_path):
    from datasets import load_dataset
    from trl import DPOConfig, DPOTrainer

    pairs.export("dpo", tmp_path / "set")
    rows = load_dataset(str(tmp_path / "set"), split="train", cache_dir=str(tmp_path / "cache"))
    config = DPOConfig(str(tmp_path / "out"), max_length=None, **OPTIONS)
    trainer = DPOTrainer(str(model), args=config, train_dataset=rows)
    masked = {row["trajectory_id"]: row for row in pairs.rows("one")}
    for read in trainer.train_dataset:
        row = masked[read["trajectory_id"]]
        span = row["spans"][read["step_index"]]
        assert read["prompt_ids"] == row["input_ids"][: span["start"]]
        assert read["rejected_ids"] == row["input_ids"][span["start"] : span["end"]]
    assert moved(trainer)


def test_the_kto_trainer_takes_a_step_on_the_tokens_of_the_masks(platform, model, tmp_path):
    from datasets import load_dataset
    from trl import KTOConfig, KTOTrainer

    platform.export("kto", tmp_path / "set")
    rows = load_dataset(str(tmp_path / "set"), split="train", cache_dir=str(tmp_path / "cache"))
    config = KTOConfig(str(tmp_path / "out"), max_length=None, **OPTIONS)
    trainer = KTOTrainer(str(model), args=config, train_dataset=rows)
    masked = {row["trajectory_id"]: row for name in ("one", "two") for row in platform.rows(name)}
    assert len(trainer.train_dataset) == 9
    for read in trainer.train_dataset:
        row = masked[read["trajectory_id"]]
        span = row["spans"][read["step_index"]]
        assert read["prompt_ids"] == row["input_ids"][: span["start"]]
        assert read["completion_ids"] == row["input_ids"][span["start"] : span["end"]]
    assert moved(trainer)


def test_the_prm_trainer_takes_a_step_with_the_rewards_at_the_ends_of_steps(
    platform, model, tmp_path
):
    platform.export("prm", tmp_path / "set", "one")
    out = tmp_path / "read.json"
    words = (str(tmp_path / "set"), str(model), str(out))
    run(installed(PRM_RELEASE), "tests.exports.prm_step", *words)
    told = json.loads(out.read_text())
    assert told["moved"]
    first = load_tokenizer(platform.tokenizer).hf.bos_token_id
    for read, row in zip(told["rows"], platform.rows("one"), strict=True):
        last = row["spans"][-1]["end"]
        assert read["input_ids"] == [first, *row["input_ids"][:last]]
        rewards = {at: label for at, label in enumerate(read["labels"][1:]) if label != -100}
        ends = [span["end"] - 1 for span in row["spans"]]
        assert rewards == dict(zip(ends, [1, 0, 1], strict=True))
