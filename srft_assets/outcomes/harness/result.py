"""What the harness left of one run, as an outcome: read with the readers of reports."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from srft_assets.outcomes.harness.job import Prediction, log_folder, report_path
from srft_assets.outcomes.model import Status
from srft_assets.outcomes.reports import ReportedOutcome, parse_report
from srft_assets.outcomes.reports.instance import LOGS, MARKERS
from srft_assets.refusal import Refusal

APPLIED = ">>>>> Applied Patch"
NO_RESULTS = "the tests gave no results"
NO_COMMAND = "OCI runtime exec failed"
"""What Docker says of a command that the image does not have."""
ERRORS = re.compile(
    r"^[\w.]*(?:Error|Exception|NotFound): (?:Error in evaluation for \S+: )?(.*)$", re.M
)
"""How a harness's log names its own failure; the last one counts."""
APPLY_SAID = re.compile(
    rf"^{NO_COMMAND}.*$|^(?:error|fatal|patch|Ignoring)\b.*$|^.*FAILED.*$", re.M
)
LOG_END = 128 * 1024
REASON_CHARS = 300


@dataclass(frozen=True, slots=True)
class Result:
    """One run's outcome.

    `ambiguous`: the logs cannot tell whether the environment or the patch failed. The harness
    says so itself (`ambiguous_failure_ids`), the tests gave no results, or the image lacks the
    command that applies patches.
    """

    outcome: ReportedOutcome
    ambiguous: bool = False


def read_result(root: Path, prediction: Prediction) -> Result:
    """What became of a prediction. A failure that nothing explains is the machine's."""
    folder, instance_id = log_folder(root, prediction), prediction.instance_id
    logs = {name: _text(folder / name) for name in LOGS if (folder / name).is_file()}
    path = report_path(root, prediction.run_id)
    listed = _read(path, instance_id, {})
    if listed is None:
        reason = _own_error(logs) or "the harness wrote no report"
        return Result(ReportedOutcome(instance_id, Status.INFRA_ERROR, reason=reason))
    report = orjson.loads(path.read_bytes())
    closer = _read(folder / "report.json", instance_id, logs)
    outcome = _with_applied(closer, logs) if closer else _explained(listed, logs)
    if instance_id in report.get("infra_failure_ids", ()):
        outcome = replace(outcome, status=Status.INFRA_ERROR, reason=listed.reason)
    return Result(outcome, _is_ambiguous(outcome, instance_id, report))


def _is_ambiguous(outcome: ReportedOutcome, instance_id: str, report: dict[str, Any]) -> bool:
    if outcome.status is Status.PATCH_FAILED:
        return outcome.reason.startswith(NO_COMMAND)
    listed = instance_id in report.get("ambiguous_failure_ids", ())
    failed = outcome.status in (Status.UNRESOLVED, Status.TIMEOUT)
    return failed and (listed or outcome.reason == NO_RESULTS)


def _read(path: Path, instance_id: str, logs: dict[str, str]) -> ReportedOutcome | None:
    """What a report says of the instance; None where there is none that can be read."""
    if not path.is_file():
        return None
    for item in parse_report(path.read_bytes(), path.as_posix(), logs):
        if not isinstance(item, Refusal) and item.instance_id == instance_id:
            return item
    return None


def _with_applied(outcome: ReportedOutcome, logs: dict[str, str]) -> ReportedOutcome:
    """Reports take tests without results for a patch that does not apply; the log knows."""
    if outcome.status is Status.PATCH_FAILED and APPLIED in logs.get("run_instance.log", ""):
        return replace(outcome, status=Status.UNRESOLVED, reason=NO_RESULTS)
    return outcome


def _explained(listed: ReportedOutcome, logs: dict[str, str]) -> ReportedOutcome:
    """What the logs say where the harness ended without a report of the instance."""
    text = "\n".join(logs.values())
    for marker, status, reason in MARKERS:
        if marker.search(text):
            if status is Status.PATCH_FAILED:
                reason = _apply_said(logs.get("run_instance.log", "")) or reason
            return replace(listed, status=status, reason=reason)
    if listed.status is Status.INFRA_ERROR:
        return replace(listed, reason=_own_error(logs) or listed.reason)
    return listed


def _apply_said(log: str) -> str:
    """The first line that says why the last attempt at applying the patch failed."""
    said = APPLY_SAID.findall(log.partition(">>>>> Patch Apply Failed")[2])
    return " ".join(said[0].split())[:REASON_CHARS] if said else ""


def _own_error(logs: dict[str, str]) -> str:
    said = ERRORS.findall(logs.get("run_instance.log", ""))
    return " ".join(said[-1].split())[:REASON_CHARS] if said else ""


def _text(path: Path) -> str:
    """A log, or both ends of a long one."""
    with path.open("rb") as file:
        data = file.read(2 * LOG_END)
        if (size := path.stat().st_size) > 2 * LOG_END:
            file.seek(size - LOG_END)
            data = data[:LOG_END] + b"\n[...]\n" + file.read(LOG_END)
    return data.decode("utf-8", "replace")
