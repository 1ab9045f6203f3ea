"""Sensors that tell of failed runs, of budgets that are spent and of checks that did not pass, as
`alerts:` of `srft.yaml` says."""

from typing import Literal

import dagster as dg

from srft_assets.components.asset import FAILED, WAITING
from srft_assets.components.checks import IN_SYNC
from srft_assets.components.launch import reasons
from srft_assets.components.platform import BY
from srft_assets.components.run_repair import BY_COMMAND
from srft_assets.critic.failures import SPENT
from srft_assets.platform.alerts import Alert, send
from srft_assets.project.settings import settings
from srft_assets.warehouse.making import NEVER_MADE


@dg.run_failure_sensor(
    name="alerts",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells of failed runs and spent budgets by webhook, command or e-mail, as "
    "`alerts:` of srft.yaml says. Commands of the command line tell it themselves.",
)
def alerts(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """One alert a run; a way that fails is told in the log of the tick, without its secrets."""
    run, stated = context.dagster_run, settings().alerts
    if BY_COMMAND.items() <= run.tags.items():
        return dg.SkipReason("a command, which told it")
    reason = reason_of(context)
    if SPENT not in reason and only_waits(context):
        return dg.SkipReason("it waits for a batch of a provider: a later run goes on")
    for failed in send(alert_of(run, reason), stated):
        context.log.error(failed)
    return None


@dg.run_status_sensor(
    dg.DagsterRunStatus.SUCCESS,
    name="check_alerts",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells of asset checks that did not pass in a run that succeeded, in the ways of "
    "`alerts`. `in_sync`, which says what an edit has made stale, is nobody's alarm.",
)
def check_alerts(context: dg.RunStatusSensorContext) -> dg.SkipReason | None:
    """One alert a run, for all its checks."""
    run, stated = context.dagster_run, settings().alerts
    if BY_COMMAND.items() <= run.tags.items():
        return dg.SkipReason("a command, which told it")
    failed = failed_checks(context.instance, run.run_id)
    if not failed:
        return dg.SkipReason("every check passed")
    alert = Alert("check", _name(run), "; ".join(failed), run.run_id, run.tags.get(BY, ""))
    for wrong in send(alert, stated):
        context.log.error(wrong)
    return None


def failed_checks(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Of a run: asset, check and what it says, each in one line."""
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    found = []
    for record in instance.get_records_for_run(run_id, of_type=kind).records:
        event = record.event_log_entry.dagster_event
        told = event.event_specific_data if event else None
        if not isinstance(told, dg.AssetCheckEvaluation) or told.passed:
            continue
        if told.check_name != IN_SYNC:
            rows = told.metadata.get("offending_rows")
            said = told.description or (f"{rows.value} rows" if rows else "did not pass")
            found.append(f"{told.asset_key.to_user_string()}: {told.check_name}: {said}")
    return found


def alert_of(run: dg.DagsterRun, reason: str) -> Alert:
    """What is told of a failed run."""
    kind: Literal["budget", "failure"] = "budget" if SPENT in reason else "failure"
    return Alert(kind, _name(run), reason, run.run_id, run.tags.get(BY, ""))


def _name(run: dg.DagsterRun) -> str:
    """Its job; of the job of all assets, the first of those that it makes."""
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    what = ", ".join(assets[:3]) if run.job_name.startswith("__") else ""
    return what or run.job_name


def only_waits(context: dg.RunFailureSensorContext) -> bool:
    """Whether no partition failed but for want of those that wait."""
    waiting: set[str] = set()
    failed: list[str] = []
    for event in context.get_step_failure_events():
        told = event.step_failure_data.user_failure_data
        if told is None or not {FAILED, WAITING} <= told.metadata.keys():
            return False
        waiting |= {*reasons(told.metadata[WAITING])}
        failed += reasons(told.metadata[FAILED]).values()
    behind = [f"/{name}, {NEVER_MADE}" for name in waiting]
    return bool(waiting) and all(any(one in reason for one in behind) for reason in failed)


def reason_of(context: dg.RunFailureSensorContext) -> str:
    """What the first step that failed says; else what the run does."""
    for event in context.get_step_failure_events():
        told = event.step_failure_data.user_failure_data
        if told is not None and told.description:
            return told.description
        if event.step_failure_data.error is not None:
            return event.step_failure_data.error.message.strip()
    return context.failure_event.message or "no reason is known"


defs = dg.Definitions(sensors=[alerts, check_alerts])
