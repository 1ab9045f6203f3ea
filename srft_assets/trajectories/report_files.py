"""Grading reports beside runs: what they say of themselves, and which batch gets which."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from posixpath import basename, dirname

from srft_assets.trajectories.batches import FileRef, Item, ReportRef
from srft_assets.trajectories.discover import EVIDENCE_NAMES, Found
from srft_assets.trajectories.roles import Role, Ruling
from srft_assets.trajectories.sources import hashed

KEY = re.compile(r"\.(traj|report|json|jsonl|ndjson)\b")


def evidence_of(files: Sequence[Found]) -> dict[str, list[Found]]:
    """Folder → what a grader left there beside its report.json."""
    beside: dict[str, list[Found]] = defaultdict(list)
    for file in files:
        evidence = file.ruling is not None and file.ruling.role is Role.EVIDENCE
        if evidence and basename(file.path) in EVIDENCE_NAMES:
            beside[dirname(file.path)].append(file)
    return beside


def report_ref(file: FileRef, ruling: Ruling, beside: Mapping[str, Sequence[Found]]) -> ReportRef:
    """A report with the evidence in its folder."""
    named = basename(file.path) == "report.json"
    logs = beside.get(dirname(file.path), ()) if named else ()
    return ReportRef(
        path=file.path,
        blake3=file.blake3,
        instance_ids=_instance_ids(file.path, ruling),
        evidence=tuple(hashed(log) for log in logs),
    )


def _instance_ids(path: str, ruling: Ruling) -> tuple[str, ...]:
    if not ruling.flat:
        return ruling.instance_ids if len(ruling.instance_ids) == 1 else ()
    place = PurePosixPath(path)
    stem = place.name.removesuffix(".json").removesuffix(".report")
    return (place.parent.name if stem == "report" else stem,)


def share_reports(
    reports: Sequence[ReportRef], batches: Sequence[Sequence[Item]]
) -> list[list[ReportRef]]:
    """Which batch gets which reports, in the order of `batches`, whose items are given.

    A report of one instance goes where a run of that name lies, else where rows lie whose
    instances nobody has read yet, else into the first batch. A report of many goes everywhere.
    """
    keys = [_keys(items) for items in batches]
    many = [n for n, items in enumerate(batches) if any(i.layout != "object" for i in items)]
    shared: list[list[ReportRef]] = [[] for _ in batches]
    for report in sorted(reports, key=lambda report: report.path):
        places = list(range(len(batches)))
        if report.instance_ids:
            named = [index for index in places if not keys[index].isdisjoint(report.instance_ids)]
            places = named or many or [0]
        for index in places:
            shared[index].append(report)
    return shared


def _keys(items: Sequence[Item]) -> set[str]:
    return set().union(*(path_keys(item.path) for item in items if item.layout == "object"))


def path_keys(path: str) -> set[str]:
    """What a path says of the instance: the names of its folders, and of the file bare."""
    parts = path.split("/")
    return {*parts[:-1], KEY.sub("", parts[-1])}
