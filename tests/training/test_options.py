"""Further arguments of TRL's SFTConfig: taken, or refused by name."""

from collections.abc import Callable
from dataclasses import fields

import pytest

from srft_assets.errors import SrftError
from srft_assets.training.job import TrainingJob
from srft_assets.training.main import train
from srft_assets.training.options import BREAKING, DECIDED, TAKEN, check_options
from tests.training.conftest import Heard, make_rows


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("save_only_model", "would start Adam and warm-up anew"),
        ("ignore_data_skip", "would go on with other rows"),
        ("average_tokens_across_devices", "mean over all trained tokens"),
        ("eval_steps", "eval_steps has no effect on a training here"),
        ("dataloader_num_workers", "has no effect"),
        ("assistant_only_loss", "has no effect"),
        ("no_such_option", "no_such_option has no effect"),
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
    job: Callable[..., TrainingJob],
) -> None:
    heard = Heard()
    with pytest.raises(SrftError, match="save_only_model is refused"):
        train(job(make_rows(8), options={"save_only_model": True}), heard)
    assert not heard.steps


def test_each_name_is_an_argument_of_sftconfig_and_has_one_answer() -> None:
    from trl import SFTConfig

    groups = (DECIDED, frozenset(BREAKING), TAKEN)
    assert sum(map(len, groups)) == len(frozenset().union(*groups))
    assert frozenset().union(*groups) <= {field.name for field in fields(SFTConfig)}
