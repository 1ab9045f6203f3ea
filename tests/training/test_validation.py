"""Held-out tasks: which they are, what is told of them, and what their loss decides."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.home import Home
from srft_assets.tokens.run_choice import NO_TASK
from srft_assets.training.checkpoint import TrainingResult, ValidationResult
from srft_assets.training.data import scored_groups
from srft_assets.training.job import TrainingJob
from srft_assets.training.main import last_whole_state, train
from srft_assets.training.rows import held_out_tasks, hold_out
from tests.training.conftest import Heard, MakeJob, Row, frame_of, make_rows, select, small_job

TASKS = st.sets(st.integers(0, 60).map(str), max_size=30)
ROWS = make_rows(20)
HELD_OUT = held_out_tasks([f"task-{number}" for number in range(len(ROWS))], 5)
SCORED = [ROWS[int(task.partition("-")[2])] for task in HELD_OUT]

SLOW = {"max_steps": 8, "learning_rate": 2e-3}


class Stopped(Exception):
    """In the place of a kill."""


@given(TASKS, TASKS, st.floats(0.01, 0.99))
def test_a_share_holds_out_the_same_tasks_whichever_others_an_arm_has(
    tasks: set[str], others: set[str], share: float
) -> None:
    held_out = set(held_out_tasks(tasks | others, share))
    assert set(held_out_tasks(tasks, share)) == held_out & tasks


def test_a_share_is_about_that_part_of_the_tasks() -> None:
    assert 70 < len(held_out_tasks(map(str, range(1000)), 0.1)) < 130


@given(TASKS, st.integers(1, 30))
def test_a_number_holds_out_so_many_tasks(tasks: set[str], number: int) -> None:
    held_out = held_out_tasks(tasks, number)
    assert len(held_out) == min(number, len(tasks))
    assert set(held_out) <= set(held_out_tasks(tasks, number + 1)) <= tasks


def test_runs_of_no_known_task_are_never_held_out() -> None:
    assert held_out_tasks([NO_TASK, "a"], 2) == ["a"]


def test_no_task_is_on_both_sides_and_runs_without_loss_are_scored_too() -> None:
    masked = [(ids, [(start, end, False) for start, end, _ in spans]) for ids, spans in ROWS]
    second = frame_of(masked).with_columns(trajectory_id=pl.format("b.{}", "trajectory_id"))
    chosen = select(("one", frame_of(ROWS)), ("two", second), ("two-again", second))
    trained, scored = hold_out(chosen, chosen.within, 5)
    assert set(scored["instance_id"]) == set(HELD_OUT)
    assert set(trained.rows["instance_id"]).isdisjoint(HELD_OUT)
    assert trained.rows.height == len(ROWS) - 5
    assert scored["batch"].to_list() == ["one"] * 5 + ["two"] * 5


def test_a_task_is_held_out_on_the_same_side_whichever_arm_is_scored() -> None:
    """One that the scored arm has no run of, too."""
    chosen = select(("one", frame_of(ROWS)))
    few = chosen.within.filter(~pl.col("instance_id").is_in(HELD_OUT[:2]))
    share = 0.3
    own, _ = hold_out(chosen, chosen.within, share)
    other, scored = hold_out(chosen, few, share)
    assert set(other.rows["instance_id"]) == set(own.rows["instance_id"])
    assert set(scored["instance_id"]) < set(held_out_tasks(chosen.within["instance_id"], share))


@given(st.lists(st.integers(1, 90), min_size=2, max_size=20), st.integers(2, 5))
def test_processes_score_the_groups_of_one_and_have_as_many(lengths: list[int], ranks: int) -> None:
    alone = scored_groups(lengths[:-1], micro_batch_tokens=90)
    shares = [
        scored_groups(lengths, micro_batch_tokens=90, rank=rank, ranks=ranks)
        for rank in range(ranks)
    ]
    assert len({len(share) for share in shares}) == 1
    gathered = [group for groups in zip(*shares, strict=True) for group in groups]
    nothing = [len(lengths) - 1]
    assert gathered == alone + [nothing] * (len(gathered) - len(alone))


@pytest.fixture(scope="module")
def jobs(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeJob:
    home = Home(tmp_path_factory.mktemp("home"))
    return partial(small_job, base_model, home, ROWS, batch_size=4, save_seconds=0)


@pytest.fixture(scope="module")
def better(jobs: MakeJob) -> TrainingResult:
    """A training that is best at its end, in which every run weighs the same."""
    keep = {"tasks": 5, "every": 3, "keep": "best"}
    return train(jobs("better", "run", validation=keep, **SLOW), Heard())


def overfitted(jobs: MakeJob, name: str, method: str = "full") -> TrainingJob:
    """One that becomes worse, and so ends early; its best weights are kept."""
    keep = {"tasks": 5, "every": 3, "keep": "best", "patience": 2}
    rate = 3e-2 if method == "full" else 1e-1
    settings = {"max_steps": 90, "learning_rate": rate, "method": method, "lora_rank": 4}
    return jobs(name, validation=keep, **settings)


@pytest.fixture(scope="module")
def worse(jobs: MakeJob) -> TrainingJob:
    small = overfitted(jobs, "worse")
    train(small, Heard())
    return small


def found_in(result: TrainingResult) -> ValidationResult:
    assert result.validation is not None
    return result.validation


def losses_of(model: Any, rows: list[Row]) -> list[tuple[float, float]]:
    """Of each row the loss of its trained and of its masked tokens, from the logits of all."""
    import torch

    found = []
    for ids, spans in rows:
        with torch.no_grad():
            scores = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        (trained, masked) = (
            -sum(scores[n - 1, ids[n]].item() for n in range(start, end)) / (end - start)
            for start, end, _ in spans
        )
        found.append((trained, masked))
    return found


def by_tokens(losses: list[float], of: int) -> float:
    """Their mean, each by the tokens of that turn of its row."""
    sizes = [spans[of][1] - spans[of][0] for _, spans in SCORED]
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)


def test_the_losses_are_those_of_the_held_out_tokens_by_label_before_and_after(
    jobs: MakeJob, better: TrainingResult
) -> None:
    from transformers import AutoModelForCausalLM

    small = jobs("better", validation={"tasks": 5, "every": 3})
    curve = found_in(better).curve
    assert [point.step for point in curve] == [0, 3, 6, 8]
    for folder, point in ((small.base_model, curve[0]), (small.output, curve[-1])):
        model = AutoModelForCausalLM.from_pretrained(folder)
        trained, masked = zip(*losses_of(model, SCORED), strict=True)
        assert point.loss == pytest.approx(sum(trained) / 5, abs=1e-5)
        assert point.by_label == pytest.approx(
            {"good": by_tokens(trained, 0), "mistake": by_tokens(masked, 1)}, abs=1e-5
        )


def test_validation_changes_no_weight(jobs: MakeJob, better: TrainingResult) -> None:
    assert found_in(better).kept_step == better.steps == 8
    assert not found_in(better).ended_early
    held_out = jobs("plain", "run", validation={"tasks": 5, "every": 3}, **SLOW)
    plain = train(held_out.model_copy(update={"validation": None}), Heard())
    assert plain.validation is None
    assert plain.weights_sha256 == better.weights_sha256
    assert [p.loss for p in plain.loss_curve] == [p.loss for p in better.loss_curve]


def test_validation_takes_no_number_of_those_that_dropout_draws(
    jobs: MakeJob, base_model: Path, tmp_path: Path
) -> None:
    base = shutil.copytree(base_model, tmp_path / "base")
    stated = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**stated, "attention_dropout": 0.3}))
    held_out = jobs(
        "dropout", validation={"tasks": 5, "every": 2}, base_model=str(base), max_steps=5
    )
    without = held_out.model_copy(
        update={"validation": None, "output": held_out.output.with_name("without")}
    )
    shas = {train(each, Heard()).weights_sha256 for each in (held_out, without)}
    assert len(shas) == 1
    resumed = held_out.model_copy(update={"output": held_out.output.with_name("resumed")})

    def dies(step: int, of: int, loss: float, by_label: dict[str, float] | None = None) -> None:
        if step == 4:
            raise Stopped

    with pytest.raises(Stopped):
        train(resumed, dies)
    assert {train(resumed, Heard()).weights_sha256} == shas


def test_rows_that_are_padded_have_the_same_losses(
    jobs: MakeJob, better: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srft_assets.training.model.supports_segments", lambda config: False)
    heard = Heard()
    padded = jobs("padded", "run", validation={"tasks": 5, "every": 3}, max_steps=1)
    assert train(padded, heard).layout == "padded"
    step, loss, by_label = heard.validations[0]
    first = found_in(better).curve[0]
    assert (step, loss) == (0, pytest.approx(first.loss, abs=1e-5))
    assert by_label == pytest.approx(first.by_label, abs=1e-5)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_best_weights_are_kept_where_the_loss_rises_and_the_training_ends(
    jobs: MakeJob, worse: TrainingJob, method: str
) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM

    small = worse if method == "full" else overfitted(jobs, "adapter", method)
    result = train(small, Heard())
    found = found_in(result)
    losses = [point.loss for point in found.curve if point.step]
    assert found.ended_early
    assert found.kept.loss == min(losses) == losses[-3]
    assert found.kept_step == result.steps - 6
    load = AutoModelForCausalLM if method == "full" else AutoPeftModelForCausalLM
    trained, _ = zip(*losses_of(load.from_pretrained(str(small.output)), SCORED), strict=True)
    assert by_tokens(trained, 0) == pytest.approx(found.kept.loss, abs=1e-5)


def test_a_training_killed_before_and_after_its_last_step_ends_as_an_undisturbed_one(
    jobs: MakeJob, worse: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(worse, Heard())
    killed = overfitted(jobs, "killed")

    def dies(step: int, of: int, loss: float, by_label: dict[str, float] | None = None) -> None:
        if step == whole.steps - 1:
            raise Stopped

    with pytest.raises(Stopped):
        train(killed, dies)
    with monkeypatch.context() as patched:
        patched.setattr("srft_assets.training.main.save_model", dies_saving)
        with pytest.raises(Stopped):
            train(killed, Heard())
    heard = Heard()
    resumed = train(killed, heard)
    assert heard.steps, "the state before the last validation is the last one"
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.validation == whole.validation
    assert [p.loss for p in resumed.loss_curve] == [p.loss for p in whole.loss_curve]


def test_a_training_killed_when_all_steps_are_done_takes_none_again(
    jobs: MakeJob, better: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = {"tasks": 5, "every": 3, "keep": "best"}
    killed = jobs("done", "run", validation=keep, **SLOW)
    with monkeypatch.context() as patched:
        patched.setattr("srft_assets.training.main.save_model", dies_saving)
        with pytest.raises(Stopped):
            train(killed, Heard())
    assert last_whole_state(killed.partial / "states").name == "checkpoint-8"
    heard = Heard()
    resumed = train(killed, heard)
    assert heard.told == heard.validations == []
    assert resumed.weights_sha256 == better.weights_sha256
    assert resumed.validation == better.validation


def dies_saving(model: Any, *more: Any) -> str:
    raise Stopped
