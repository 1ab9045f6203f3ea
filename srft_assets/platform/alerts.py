"""Alerts: what went wrong while nobody looked, to a webhook, a command and by e-mail."""

import json
import smtplib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from typing import Literal

from srft_assets.project.settings import Alerts
from srft_assets.text import printable

SECONDS = 30
"""How long anybody may take to hear of it."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that happened.

    Attributes:
        kind: `failure` of a run, a `budget` that is spent, or a `check` that did not pass.
        what: what ran, such as a job's name.
        reason: in words; it may hold text of others.
        run_id: of Dagster.
        by: the schedule or sensor that asked for it; empty for a person.
    """

    kind: Literal["failure", "budget", "check"]
    what: str
    reason: str
    run_id: str
    by: str = ""

    def line(self) -> str:
        """All in one line."""
        return printable(f"srft: {self.kind} in {self.what}: {self.reason}")


def send(alert: Alert, stated: Alerts) -> list[str]:
    """Tell everybody that the settings name; what failed of that, each in one line."""
    failed = []
    for name, tell in _ways(alert, stated):
        try:
            tell()
        except Exception as error:  # noqa: BLE001 (whatever one way fails with, the others go on)
            failed.append(f"alerts.{name}: {type(error).__name__}")
    return failed


def _ways(alert: Alert, stated: Alerts) -> Iterator[tuple[str, Callable[[], object]]]:
    # Reasons may hold lone surrogates, which JSON writes as escapes and orjson refuses.
    body = json.dumps(asdict(alert) | {"text": alert.line()}).encode()
    if stated.webhook is not None:
        url = stated.webhook.get_secret_value()
        yield "webhook", lambda: _post(url, body)
    if stated.command:
        yield (
            "command",
            lambda: subprocess.run(stated.command, input=body, timeout=SECONDS, check=True),
        )
    if stated.email:
        yield "email", lambda: _mail(alert, stated)


def _post(url: str, body: bytes) -> None:
    import httpx

    headers = {"content-type": "application/json"}
    httpx.post(url, content=body, headers=headers, timeout=SECONDS).raise_for_status()


def _mail(alert: Alert, stated: Alerts) -> None:
    host, _, port = stated.smtp.rpartition(":")
    mail = EmailMessage()
    mail["Subject"] = f"srft: {alert.kind} in {printable(alert.what)}"
    mail["From"] = stated.email[0]
    mail["To"] = ", ".join(stated.email)
    mail.set_content(f"{alert.line()}\n\nrun {alert.run_id}\n")
    with smtplib.SMTP(host.strip("[]"), int(port), timeout=SECONDS) as server:
        server.send_message(mail)
