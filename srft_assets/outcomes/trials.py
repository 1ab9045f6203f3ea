"""Results of Harbor's trials: `TRIAL/result.json`, beside the run in `TRIAL/agent/`.

The verifier's reward is the outcome. Which run it is of, its folder says: the run's file names no
task, and the result calls the task otherwise than the folder does.
"""

from collections.abc import Iterable
from typing import Any

from srft_assets.outcomes.instance_reports import BadReportError, text
from srft_assets.outcomes.status import Detail, ReportedOutcome, Run, Status
from srft_assets.trajectories.batches import ReportRef
from srft_assets.trajectories.discover import above
from srft_assets.trajectories.turns import of_reward

REWARD = "reward"
"""The reward that counts where a verifier gives several."""


def grade_trial(result: dict[str, Any]) -> ReportedOutcome:
    """The outcome of a trial. Raises BadReportError where it states neither reward nor exception,
    and for a reward between 0 and 1. One that ended before its verifier is the machine's failure.
    """
    task = text(result, "task_name") or text(result, "trial_name") or ""
    verified = result.get("verifier_result")
    rewards = verified.get("rewards") if isinstance(verified, dict) else None
    rewards = rewards if isinstance(rewards, dict) else {}
    value = rewards.get(REWARD, next(iter(rewards.values()), None) if len(rewards) == 1 else None)
    if isinstance(value, int | float):
        passed = of_reward(value)
        if passed is None:
            raise BadReportError(f"a reward of {value:g} says neither that it passed nor that not")
        status = Status.RESOLVED if passed else Status.UNRESOLVED
        return ReportedOutcome(task, status, detail=Detail.STATED, beside=True)
    ended = result.get("exception_info")
    if not isinstance(ended, dict):
        raise BadReportError("a trial's result without a reward: it was not verified")
    kind = str(ended.get("exception_type"))[:80]
    return ReportedOutcome(task, Status.INFRA_ERROR, reason=kind, beside=True)


def neighbours(ref: ReportRef, runs: Iterable[Run]) -> list[Run]:
    """The runs that a trial's result is of: all in its folder, subagents and split ones too."""
    folder = above(ref.path)[0]
    return [run for run in runs if folder in above(run.source)]
