"""The sensor that tells of failed runs and of budgets that are spent, as `alerts:` of `srft.yaml`
says."""

from typing import Literal

import dagster as dg

from srft_assets.alerts import Alert, send
from srft_assets.components.platform import BY
from srft_assets.components.run_repair import BY_COMMAND
from srft_assets.critic.failures import SPENT
from srft_assets.settings import settings


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
    for failed in send(alert_of(run, reason_of(context)), stated):
        context.log.error(failed)
    return None


def alert_of(run: dg.DagsterRun, reason: str) -> Alert:
    """What is told of a failed run."""
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    what = ", ".join(assets[:3]) if run.job_name.startswith("__") else run.job_name
    kind: Literal["budget", "failure"] = "budget" if SPENT in reason else "failure"
    return Alert(kind, what or run.job_name, reason, run.run_id, run.tags.get(BY, ""))


def reason_of(context: dg.RunFailureSensorContext) -> str:
    """What the first step that failed says; else what the run does."""
    for event in context.get_step_failure_events():
        told = event.step_failure_data.user_failure_data
        if told is not None and told.description:
            return told.description
        if event.step_failure_data.error is not None:
            return event.step_failure_data.error.message.strip()
    return context.failure_event.message or "no reason is known"


defs = dg.Definitions(sensors=[alerts])
