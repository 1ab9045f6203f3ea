"""What lies beside runs: grading reports, their logs, superseded LLM calls."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from posixpath import basename, dirname

from srft_assets.trajectories.drafts import Draft
from srft_assets.trajectories.manifest import ReportRef
from srft_assets.trajectories.roles import (
    DATASET_NAMES,
    EVIDENCE_NAMES,
    Role,
    Ruling,
    refused,
)
from srft_assets.trajectories.scanned import Scanned, hashed, path_keys

_CALL_TIME = re.compile(r"(\d+(?:\.\d+)?)\.json$")
CALLS_FOLDER = "llm_completions"
"""OpenHands keeps every LLM call of a run in `llm_completions/<instance>/<model>-<time>.json`."""


def settle(scans: Sequence[Scanned]) -> list[tuple[Scanned, Ruling]]:
    """Final roles, which may depend on a file's neighbours."""
    reports = {_folder(seen) for seen in scans if _is_named_report(seen)}
    tables = {_folder(seen) for seen in scans if seen.layout == "arrow"}
    last = _last_calls(scans)
    settled = []
    for seen in scans:
        folder, name = _folder(seen), basename(seen.path)
        ruling = seen.ruling
        of_dataset = name in DATASET_NAMES and any(_within(table, folder) for table in tables)
        if of_dataset or (name in EVIDENCE_NAMES and folder in reports):
            ruling = Ruling(Role.EVIDENCE)
        elif ruling.role is Role.RUNS and last.get(folder, seen.path) != seen.path:
            ruling = refused(f"an earlier LLM call of the run in {last[folder]}")
        settled.append((seen, ruling))
    return settled


def _folder(seen: Scanned) -> str:
    return dirname(seen.path) or "."


def _is_named_report(seen: Scanned) -> bool:
    return seen.ruling.role is Role.REPORT and basename(seen.path) == "report.json"


def _within(folder: str, above: str) -> bool:
    return folder == above or PurePosixPath(above) in PurePosixPath(folder).parents


def _last_calls(scans: Iterable[Scanned]) -> dict[str, str]:
    """Folder of LLM calls → path of the last call, which holds the whole conversation."""
    calls: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for seen in scans:
        folder = _folder(seen)
        if seen.ruling.role is Role.RUNS and basename(dirname(folder)) == CALLS_FOLDER:
            time = _CALL_TIME.search(seen.path)
            calls[folder].append((float(time[1]) if time else 0.0, seen.path))
    return {folder: max(found)[1] for folder, found in calls.items()}


def report_refs(settled: Iterable[tuple[Scanned, Ruling]]) -> list[ReportRef]:
    """The reports, each with the evidence in its folder."""
    pairs = list(settled)
    beside: dict[str, list[Scanned]] = defaultdict(list)
    for seen, ruling in pairs:
        if ruling.role is Role.EVIDENCE and basename(seen.path) in EVIDENCE_NAMES:
            beside[_folder(seen)].append(seen)
    refs = []
    for seen, ruling in pairs:
        if ruling.role is Role.REPORT:
            logs = beside[_folder(seen)] if _is_named_report(seen) else []
            refs.append(
                ReportRef(
                    path=seen.path,
                    blake3=seen.blake3,
                    instance_ids=_instance_ids(seen, ruling),
                    evidence=tuple(hashed(log.found) for log in logs),
                )
            )
    return refs


def _instance_ids(seen: Scanned, ruling: Ruling) -> tuple[str, ...]:
    if not ruling.flat:
        return ruling.instance_ids if len(ruling.instance_ids) == 1 else ()
    path = PurePosixPath(seen.path)
    stem = path.name.removesuffix(".json").removesuffix(".report")
    return (path.parent.name if stem == "report" else stem,)


def share_reports(reports: Sequence[ReportRef], drafts: Sequence[Draft]) -> list[list[ReportRef]]:
    """Which batch gets which reports, in the order of `drafts`.

    A report of one instance goes where a run of that name lies, else where rows lie whose
    instances nobody has read yet, else into the first batch. A report of many goes everywhere.
    """
    keys = [_keys(draft) for draft in drafts]
    many = [index for index, draft in enumerate(drafts) if _has_tables(draft)]
    shared: list[list[ReportRef]] = [[] for _ in drafts]
    for report in sorted(reports, key=lambda report: report.path):
        places = list(range(len(drafts)))
        if report.instance_ids:
            named = [index for index in places if not keys[index].isdisjoint(report.instance_ids)]
            places = named or many or [0]
        for index in places:
            shared[index].append(report)
    return shared


def _keys(draft: Draft) -> set[str]:
    return set().union(*(path_keys(item.path) for item in draft.items if item.layout == "object"))


def _has_tables(draft: Draft) -> bool:
    return any(item.layout != "object" for item in draft.items)
