"""The assets and the check in Dagster, on a real instance."""

from collections.abc import Iterator

import dagster as dg
import pytest

from srft_assets.components.asset import build_asset
from srft_assets.components.checks import critic_good_enough
from srft_assets.components.partitioning import BATCHES
from srft_assets.components.platform import Platform
from srft_assets.critic.gold.labels import GoldLabel, gold_labels_stage, merge_labels
from srft_assets.critic.scores import critic_scores_stage
from srft_assets.critic.spec import Threshold
from srft_assets.home import Home
from tests.warehouse.filled import fill
from tests.warehouse.filled_figures import GOLD


@pytest.fixture
def instance(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """With the warehouse of `filled`, and its gold set."""
    monkeypatch.setenv("SRFT_HOME", str(home.root))
    fill(home)
    labels = [
        {"trajectory_id": run, "step_index": step, "label": label, "annotator": who}
        for who, runs in GOLD.items()
        for run, given in runs.items()
        for step, label in enumerate(given)
    ]
    merge_labels(home, "people", enumerate(map(GoldLabel.model_validate, labels)), "test")
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("batch", ["real", "lab"])
        yield made


def evaluated(
    home: Home, instance: dg.DagsterInstance, threshold: Threshold
) -> dg.AssetCheckEvaluation:
    upstream = [
        dg.AssetSpec(key, partitions_def=BATCHES)
        for key in (["trajectories"], ["step_verdicts", "rules"])
    ]
    result = dg.materialize(
        [
            *upstream,
            build_asset(gold_labels_stage()),
            build_asset(critic_scores_stage("rules")),
            critic_good_enough("rules", threshold),
        ],
        resources={"platform": Platform()},
        instance=instance,
        selection=dg.AssetSelection.assets("gold_labels", ["critic_scores", "rules"]),
    )
    assert result.success
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def test_a_good_critic_passes(home: Home, instance: dg.DagsterInstance) -> None:
    evaluation = evaluated(home, instance, Threshold(min_labels=6))
    assert evaluation.passed
    assert evaluation.description == "f1_low of mistake: people 0.667; at least 0.5 wanted"


def test_a_bad_critic_is_warned_of(home: Home, instance: dg.DagsterInstance) -> None:
    evaluation = evaluated(home, instance, Threshold(min_labels=6, at_least=0.9))
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN


def test_too_little_gold_passes_and_says_so(home: Home, instance: dg.DagsterInstance) -> None:
    evaluation = evaluated(home, instance, Threshold())
    assert evaluation.passed
    assert "nothing is known" in str(evaluation.description)
