"""What went wrong while nobody looked is told, in every way that the settings name."""

import asyncio
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
import pytest

from srft_assets.components.asset import _failure
from srft_assets.critic.budget import Budget
from srft_assets.critic.failures import BudgetSpentError
from srft_assets.critic.stages import rules_stage
from srft_assets.defs.alerts import alert_of, alerts, check_alerts
from srft_assets.errors import SrftError
from srft_assets.platform.alerts import Alert, send
from srft_assets.project.settings import Alerts, settings
from srft_assets.warehouse.making import NEVER_MADE

ALERT = Alert("budget", "relabel", "3 calls are spent\x1b[31m", "r1", "relabel_nightly")
KEEP = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"


@pytest.fixture
def hook():
    """A web server that keeps what is posted: its URL, and the bodies."""
    bodies: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["content-length"])
            bodies.append(json.loads(self.rfile.read(size)))
            self.send_response(204 if self.path == "/good" else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    server.server_close()


def test_a_webhook_and_a_command_get_the_same_json(hook, tmp_path: Path):
    url, bodies = hook
    kept = tmp_path / "kept.json"
    command = (sys.executable, "-c", KEEP, str(kept))
    assert send(ALERT, Alerts(webhook=f"{url}/good", command=command)) == []
    assert bodies == [json.loads(kept.read_bytes())]
    assert bodies[0]["kind"] == "budget"
    assert bodies[0]["text"] == "srft: budget in relabel: 3 calls are spent [31m"


def test_a_way_that_fails_is_told_without_secrets_and_the_others_go_on(hook, tmp_path: Path):
    url, bodies = hook
    stated = Alerts(
        webhook=f"{url}/bad?token=secret", command=("/nowhere",), email=("a@b.example",)
    )
    stated = stated.model_copy(update={"smtp": "127.0.0.1:9"})
    failed = send(ALERT, stated)
    assert [one.partition(":")[0] for one in failed] == [
        "alerts.webhook",
        "alerts.command",
        "alerts.email",
    ]
    assert "secret" not in " ".join(failed)
    assert len(bodies) == 1


def test_text_that_is_no_unicode_is_told_all_the_same(hook, tmp_path: Path):
    url, bodies = hook
    alert = Alert("failure", "ingest", "no caf\udce9", "r1")
    assert send(alert, Alerts(webhook=f"{url}/good")) == []
    assert bodies[0]["text"] == "srft: failure in ingest: no caf "


@pytest.mark.parametrize("stated", ["host", "host:", ":25", "host:smtp", "host:99999"])
def test_a_mail_server_without_a_port_is_told_where_it_is_stated(monkeypatch, stated):
    monkeypatch.setenv("SRFT_ALERTS_SMTP", stated)
    with pytest.raises(SrftError, match=r"SRFT_ALERTS_SMTP: .*is no HOST:PORT"):
        settings()


def test_the_budget_of_a_run_is_told_as_a_budget():
    run = dg.DagsterRun("relabel")
    with pytest.raises(BudgetSpentError) as told:
        asyncio.run(Budget(max_calls=0).reserve(1))
    assert alert_of(run, str(told.value)).kind == "budget"


def told_of(*failures: dg.Failure) -> dg.SkipReason | None:
    """What the sensor says of a run whose assets end so."""

    def breaking(name: str, failure: dg.Failure) -> dg.AssetsDefinition:
        @dg.asset(name=name)
        def breaks() -> None:
            raise failure

        return breaks

    assets = [breaking(f"breaks_{at}", failure) for at, failure in enumerate(failures)]
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(assets, instance=instance, raise_on_error=False)
        event = result.get_run_failure_event()
        context = dg.build_run_status_sensor_context(
            "alerts", event, instance, result.dagster_run
        ).for_run_failure()
        return alerts(context)


def test_a_failed_run_is_told_with_its_reason(hook, monkeypatch):
    url, bodies = hook
    monkeypatch.setenv("SRFT_ALERTS_WEBHOOK", f"{url}/good")
    said = "relabel_nightly today: 3 calls are spent"
    assert told_of(dg.Failure(description=said, allow_retries=False)) is None
    (told,) = bodies
    assert told["kind"] == "budget"
    assert told["reason"] == said


def test_a_run_that_waits_for_a_provider_is_nobodys_alarm(hook, monkeypatch):
    url, bodies = hook
    monkeypatch.setenv("SRFT_ALERTS_WEBHOOK", f"{url}/good")
    stage, names = rules_stage(), ["one", "two"]
    waiting, spent = {"one": "waiting for batch b"}, {"one": "3 calls are spent"}
    assert told_of(_failure(stage, names, {}, waiting)) is not None
    assert told_of(_failure(stage, names, {}, spent)) is None
    assert told_of(_failure(stage, names, {"two": "no such file"}, waiting)) is None
    assert [one["kind"] for one in bodies] == ["budget", "failure"]


def test_a_mask_behind_what_waits_is_nobodys_alarm_either(hook, monkeypatch):
    url, bodies = hook
    monkeypatch.setenv("SRFT_ALERTS_WEBHOOK", f"{url}/good")
    stage, waiting = rules_stage(), {"one": "waiting for batch b"}

    def told_of_both(reason: str) -> dg.SkipReason | None:
        behind = _failure(stage, ["one"], {"one": reason}, {})
        return told_of(_failure(stage, ["one"], {}, waiting), behind)

    assert told_of_both(f"it needs step_verdicts/default/one, {NEVER_MADE} or is damaged")
    assert bodies == []
    assert told_of_both("no such file") is None
    assert told_of_both(f"it needs trajectories/two, {NEVER_MADE} or is damaged") is None
    assert [one["kind"] for one in bodies] == ["failure", "failure"]


def test_checks_that_did_not_pass_are_told_once_a_run_and_in_sync_is_not(hook, monkeypatch):
    url, bodies = hook
    monkeypatch.setenv("SRFT_ALERTS_WEBHOOK", f"{url}/good")

    @dg.asset
    def runs() -> None:
        pass

    def check(name: str, **told: object) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset=runs, name=name)
        def made() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(**told)

        return made

    checks = [
        check("steps_labelled", passed=False, description="12% of the steps have no label"),
        check("trajectory_ids_unique", passed=False, metadata={"offending_rows": 3}),
        check("in_sync", passed=False, description="2 stale"),
        check("runs_whole", passed=True),
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([runs, *checks], instance=instance)
        context = dg.build_run_status_sensor_context(
            "check_alerts", result.get_run_success_event(), instance, result.dagster_run
        )
        check_alerts(context)
    (told,) = bodies
    assert (told["kind"], told["run_id"]) == ("check", result.run_id)
    assert sorted(told["reason"].split("; ")) == [
        "runs: steps_labelled: 12% of the steps have no label",
        "runs: trajectory_ids_unique: 3 rows",
    ]


def test_other_failures_are_failures():
    run = dg.DagsterRun("relabel", tags={"srft/by": "relabel_nightly"})
    alert = alert_of(run, "no such file")
    assert (alert.kind, alert.what, alert.by) == ("failure", "relabel", "relabel_nightly")
