"""Weights and controls of the mask, as rules that hold for any labels."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.critic.verdict import Label
from srft_assets.outcomes.status import Status
from srft_assets.tokens.arm import ArmSpec, decide, forbidden

LABELS = st.lists(st.sampled_from(list(Label)), max_size=25).map(
    lambda found: dict(enumerate(found))
)
MASKS = st.lists(st.sampled_from([one for one in Label if one != Label.UNLABELED]), unique=True)
SEEDS = st.integers(0, 9)
FAILED = Status.UNRESOLVED


def arm(control: str = "none", **settings) -> ArmSpec:
    return ArmSpec(name="x", critic="rules", control=control, **settings)


def weights(arm: ArmSpec, labels: dict[int, Label], status: Status = FAILED) -> dict[int, float]:
    return decide(arm, "run.1", status, labels)


@given(LABELS, MASKS, SEEDS)
def test_a_random_mask_masks_as_many_labelled_steps(labels, mask, seed) -> None:
    plain = weights(arm(mask=mask), labels)
    random = weights(arm("random_mask", mask=mask, seed=seed), labels)
    assert Counter(random.values()) == Counter(plain.values())
    for step, label in labels.items():
        assert label != Label.UNLABELED or random[step] == plain[step]


def test_a_random_mask_is_by_seed_and_run() -> None:
    labels = dict(enumerate([Label.MISTAKE, Label.GOOD] * 20))
    found = {
        (seed, run): tuple(decide(arm("random_mask", seed=seed), run, FAILED, labels).values())
        for seed in (0, 1)
        for run in ("a", "b")
    }
    assert len(set(found.values())) == 4
    assert found[0, "a"] == tuple(decide(arm("random_mask"), "a", FAILED, labels).values())


@given(LABELS, MASKS)
def test_an_inverted_mask_trains_exactly_what_was_masked(labels, mask) -> None:
    plain = weights(arm(mask=mask), labels)
    inverted = weights(arm("inverted_mask", mask=mask), labels)
    for step, label in labels.items():
        if label == Label.UNLABELED:
            assert inverted[step] == plain[step]
        else:
            assert bool(inverted[step]) != bool(plain[step])


@given(LABELS, MASKS)
def test_nothing_is_trained_from_the_first_mistake_on(labels, mask) -> None:
    plain = weights(arm(mask=mask), labels)
    prefix = weights(arm("prefix_until_mistake", mask=mask), labels)
    places = [step for step, label in labels.items() if label == Label.MISTAKE]
    for step in labels:
        before = not places or step < places[0]
        assert prefix[step] == (plain[step] if before else 0)


@given(LABELS, st.sampled_from(["random_mask", "inverted_mask", "prefix_until_mistake"]))
def test_a_control_leaves_resolved_runs_whole(labels, control) -> None:
    assert set(weights(arm(control), labels, Status.RESOLVED).values()) <= {1.0}
    masked = arm(control, mask_resolved=True)
    assert weights(masked, labels, Status.RESOLVED) == weights(masked, labels)


@given(LABELS, st.dictionaries(st.sampled_from(list(Label)), st.floats(0, 2)))
def test_a_step_weighs_what_its_label_does(labels, stated) -> None:
    found = weights(arm(weights=stated), labels)
    default = {Label.MISTAKE: 0.0, Label.UNLABELED: 0.0}
    for step, label in labels.items():
        assert found[step] == stated.get(label, default.get(label, 1.0))


@pytest.mark.parametrize(
    ("settings", "masked", "unlabeled"),
    [
        ({}, {"mistake"}, "unlabeled"),
        ({"control": "inverted_mask"}, {"good", "recover", "unnecessary"}, "unlabeled"),
        ({"control": "random_mask"}, set(), "unlabeled"),
        ({"control": "prefix_until_mistake"}, {"mistake"}, "unlabeled"),
        ({"weights": {"mistake": 0.5, "good": 0}, "unlabeled": "train"}, {"good"}, ""),
    ],
)
def test_the_check_knows_what_the_arm_must_not_train(settings, masked, unlabeled) -> None:
    found = forbidden(arm(**settings))
    assert (set(found["masked"]), found["unlabeled"]) == (masked, unlabeled)


def test_an_arm_without_labels_forbids_nothing() -> None:
    found = forbidden(ArmSpec(name="sft"))
    assert (found["masked"], found["unlabeled"], found["as_many_as"]) == ([], "", [])
