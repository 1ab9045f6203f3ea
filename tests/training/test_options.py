"""Further arguments of TRL's SFTConfig: taken, or refused by name."""

from dataclasses import MISSING, fields

import pytest
import torch

from srft_assets.errors import SrftError
from srft_assets.training.main import train
from srft_assets.training.options import (
    BREAKING,
    DECIDED,
    HARMLESS,
    IDLE,
    OF_VALIDATION,
    TAKEN,
    check_options,
)
from tests.training.conftest import Heard, MakeJob, make_rows


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("save_only_model", "would start Adam and warm-up anew"),
        ("ignore_data_skip", "would go on with other rows"),
        ("eval_steps", "eval_steps is decided by training.validation"),
        ("eval_delay", "eval_delay has no effect on a training here"),
        ("assistant_only_loss", "has no effect"),
        ("no_such_option", "no_such_option is no argument of SFTConfig$"),
        ("warmup_ratio", "no argument of SFTConfig: did you mean training.warmup_ratio"),
        ("weight_decy", "did you mean weight_decay"),
        ("save_strategy", "decided by other settings"),
        ("warmup_steps", "decided by other settings"),
    ],
)
def test_an_option_that_breaks_a_promise_or_does_nothing_is_refused_by_name(
    option: str, reason: str
) -> None:
    with pytest.raises(SrftError, match=reason) as refused:
        check_options({"optim": "adafactor", option: True})
    assert option in str(refused.value)


def test_a_refused_option_ends_the_training_before_its_first_step(
    job: MakeJob,
) -> None:
    heard = Heard()
    with pytest.raises(SrftError, match="save_only_model is refused"):
        train(job(make_rows(8), options={"save_only_model": True}), heard)
    assert not heard.steps


def test_each_name_is_an_argument_of_sftconfig_and_has_one_answer() -> None:
    from trl import SFTConfig

    groups = (DECIDED, frozenset(OF_VALIDATION), frozenset(BREAKING), TAKEN, frozenset(IDLE))
    assert sum(map(len, groups)) == len(frozenset().union(*groups))
    assert frozenset().union(*groups) == {field.name for field in fields(SFTConfig)}


def test_a_stated_default_changes_nothing_and_is_taken() -> None:
    from trl import SFTConfig

    defaults = {
        field.name: field.default_factory() if field.default is MISSING else field.default
        for field in fields(SFTConfig)
        if field.name in HARMLESS
    }
    assert defaults == HARMLESS
    assert check_options(defaults | {"optim": "adafactor"}) == {"optim": "adafactor"}
    with pytest.raises(SrftError, match="mean over all trained tokens"):
        check_options({"average_tokens_across_devices": False})


def test_another_loss_is_taken_on_a_cpu_too(job: MakeJob) -> None:
    def first_loss(name: str, **options: object) -> float:
        small = job(make_rows(8), name, max_steps=1, options=options)
        return train(small, Heard()).loss_curve[0].loss

    plain = first_loss("plain")
    assert first_loss("dft", loss_type="dft") != pytest.approx(plain, rel=1e-3)
    assert first_loss("smooth", label_smoothing_factor=0.3) != pytest.approx(plain, rel=1e-3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_kernel_for_gpus_is_refused_without_one(job: MakeJob) -> None:
    heard = Heard()
    with pytest.raises(SrftError, match="use_liger_kernel needs a GPU"):
        train(job(make_rows(8), options={"use_liger_kernel": True}), heard)
    assert not heard.steps


def test_smoothing_that_would_be_ignored_is_refused() -> None:
    assert check_options({"label_smoothing_factor": 0.1, "loss_type": "nll"})
    with pytest.raises(SrftError, match="label_smoothing_factor goes with loss_type nll only"):
        check_options({"label_smoothing_factor": 0.1, "loss_type": "dft"})
