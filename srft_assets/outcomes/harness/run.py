"""One run of the SWE-bench harness: what it is told, where it leaves what, and what that means."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from srft_assets.errors import Refusal
from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.outcomes.grader_choice import Grading
from srft_assets.outcomes.instance_reports import LOGS, MARKERS, NO_RESULTS
from srft_assets.outcomes.reports import parse_report
from srft_assets.outcomes.status import ReportedOutcome, Status
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.process import CutOutput
from srft_assets.warehouse.recipe import digest

MODEL = "srft"
"""`model_name_or_path` of every prediction: the harness makes a folder of that name."""
LAYOUT = 1
"""Counts in run ids: another one grades everything again."""
ROW_FIELDS = ("image", "eval_script", "log_parser", "eval_type")
"""What swebench 5 wants of a row besides SWE-bench's first columns."""
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,150}")
"""Instance ids name folders and containers."""
FROM = "https://"
"""Other schemes would let a row name files of this machine, or servers that only it reaches."""
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


class Prediction(BaseModel, frozen=True, extra="forbid"):
    """One patch to grade. Its run id is a hash of all that decides the result."""

    run_id: str
    instance_id: str
    patch: str


class HarnessJob(BaseModel, frozen=True, extra="forbid"):
    """`python -m srft_assets.outcomes.harness.main job.json`."""

    root: Path
    """Folder the harness runs in; its logs are in `run_folder` below it."""
    label: str
    """What the progress is called."""
    predictions: list[Prediction]
    grading: Grading
    wait_seconds: float = 2.0
    """Before the second attempt; twice as long before each further one."""


class Attempt(BaseModel):
    """How one attempt at grading a prediction ended."""

    status: str
    reason: str = ""


class Attempts(BaseModel):
    """`attempts.json` of a run: the harness has come to its end with it."""

    attempts: list[Attempt]


@dataclass(frozen=True, slots=True)
class Result:
    """One run's outcome.

    `ambiguous`: the logs cannot tell whether the environment or the patch failed. The harness
    says so itself (`ambiguous_failure_ids`), the tests gave no results, or the image lacks the
    command that applies patches.
    """

    outcome: ReportedOutcome
    ambiguous: bool = False


def harness_root(home: Home) -> Path:
    """The folder the harness runs in, for all batches of the platform."""
    return home.artifacts / "grading"


def run_folder(root: Path, run_id: str) -> Path:
    """All that the harness and we keep of one run id."""
    return root / "logs" / "run_evaluation" / run_id


def log_folder(root: Path, prediction: Prediction) -> Path:
    """Where the harness leaves report.json, test_output.txt, run_instance.log, patch.diff."""
    return run_folder(root, prediction.run_id) / MODEL / prediction.instance_id


def report_path(root: Path, run_id: str) -> Path:
    """The report of a whole run, schema 2; its name is the harness's choice."""
    return run_folder(root, run_id) / f"{MODEL}.{run_id}.json"


def run_id_of(task: TaskInstance, patch: str, grading: Grading) -> str:
    """20 hex digits over patch, row, harness version and the settings that can change a result.

    The harness keeps results by run id and instance only: for a new patch this is a new id.
    """
    settings = grading.model_dump(include={"timeout", "network", "sys_admin", "memory_gb", "modal"})
    decides = [LAYOUT, version("swebench"), settings, row_of(task), patch]
    return f"srft-{digest(decides)[:20]}"


def row_of(task: TaskInstance) -> dict[str, Any]:
    """The task as the harness reads it."""
    return task.model_dump(mode="json", by_alias=True, exclude={"files", "test_command"})


def ungradable(task: TaskInstance) -> str:
    """Why the harness cannot take the row; empty where it can."""
    if not SAFE_ID.fullmatch(task.instance_id):
        return f"the instance id {task.instance_id[:60]!r} cannot name a folder and a container"
    cells = task.model_extra or {}
    lacking = [name for name in ROW_FIELDS if not isinstance(cells.get(name), str)]
    if lacking:
        return (
            f"the data set's row has no {', '.join(lacking)}, which swebench {version('swebench')} "
            "needs: use the data set's present revision"
        )
    if not task.fail_to_pass and not task.pass_to_pass:
        return "the task names no tests"
    return bad_assets(cells.get("image_assets"))


def bad_assets(stated: Any) -> str:
    """Why a row's `image_assets` cannot be fetched; empty where they can, or there are none."""
    if not stated:
        return ""
    try:
        by_patch = orjson.loads(stated) if isinstance(stated, str) else stated
        entries = [entry for entries in by_patch.values() for entry in entries or ()]
        addresses = [entry.get("url") or FROM for entry in entries]
    except (AttributeError, TypeError, ValueError):
        return "its image_assets are no lists of path and url by patch"
    for address in addresses:
        if not isinstance(address, str) or not address.startswith(FROM):
            return f"its image_assets name {str(address)[:80]!r}; only {FROM} is fetched"
    return ""


def write_inputs(root: Path, prediction: Prediction, task: TaskInstance) -> None:
    """The data set of one row and the predictions file of one line, as `swebench eval` wants."""
    folder = run_folder(root, prediction.run_id)
    row = {
        "instance_id": prediction.instance_id,
        "model_name_or_path": MODEL,
        "model_patch": prediction.patch,
    }
    place(folder / "dataset.jsonl", orjson.dumps(row_of(task)) + b"\n")
    place(folder / "predictions.jsonl", orjson.dumps(row) + b"\n")


def read_attempts(root: Path, run_id: str) -> Sequence[Attempt]:
    """The attempts of a run that came to its end; none where it did not, or must run again."""
    path = run_folder(root, run_id) / "attempts.json"
    return Attempts.model_validate_json(path.read_bytes()).attempts if path.exists() else []


def attempts_behind(log: str) -> Sequence[Attempt]:
    """The attempts of the run whose log folder this is; none of another grader's log."""
    folder = Path(log).parent.parent
    return read_attempts(folder.parents[2], folder.name) if len(folder.parents) > 2 else []


def write_attempts(root: Path, run_id: str, attempts: Sequence[Attempt]) -> None:
    """Say that the run came to its end, and how."""
    told = Attempts(attempts=list(attempts)).model_dump_json(indent=2)
    place(run_folder(root, run_id) / "attempts.json", told.encode())


def ended(root: Path, run_id: str) -> bool:
    """Whether the run came to an end that stays: a failure of the machine does not."""
    attempts = read_attempts(root, run_id)
    return bool(attempts) and attempts[-1].status != Status.INFRA_ERROR


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
    outcome = closer or _explained(listed, logs)
    if outcome.reason == NO_RESULTS:  # the reference patch tells whose fault it is
        outcome = replace(outcome, status=Status.UNRESOLVED)
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


def _explained(listed: ReportedOutcome, logs: dict[str, str]) -> ReportedOutcome:
    """What the logs say where the harness ended without a report of the instance."""
    text = "\n".join(logs.values())
    for marker, status, reason in MARKERS:
        if marker.search(text):
            if status is Status.PATCH_FAILED:
                log = logs.get("run_instance.log", "").partition(">>>>> Patch Apply Failed")[2]
                reason = _line(APPLY_SAID.findall(log)[:1]) or reason
            return replace(listed, status=status, reason=reason)
    if listed.status is Status.INFRA_ERROR:
        return replace(listed, reason=_own_error(logs) or listed.reason)
    return listed


def _own_error(logs: dict[str, str]) -> str:
    return _line(ERRORS.findall(logs.get("run_instance.log", ""))[-1:])


def _line(said: list[str]) -> str:
    return " ".join(" ".join(said).split())[:REASON_CHARS]


def _text(path: Path) -> str:
    """A log, or both ends of a long one."""
    kept = CutOutput(2 * LOG_END)
    with path.open("rb") as file:
        while kept.read(file.fileno()):
            pass
    return kept.text()
