"""Gold sets as files: `<home.gold>/<set>.jsonl`."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

import orjson

from srft_assets.critic.gold.labels import GoldLabel, Key, parse_label
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.refusal import Refusal, excerpt_of
from srft_assets.warehouse.placing import place
from srft_assets.warehouse.store import PARTITION_NAME, check_partition_name

RECORDED = "lab"
"""Name of the set that generated runs bring; no file may bear it."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What an import did: counts of labels, and those that were refused."""

    added: int
    changed: int
    unchanged: int
    refused: tuple[Refusal, ...]


def set_path(home: Home, name: str) -> Path:
    """Where a set lies. Raises UsageError for a name that is unsafe or taken."""
    if name == RECORDED:
        raise UsageError(f"the set {RECORDED!r} holds what generated runs say: choose another name")
    return home.gold / f"{check_partition_name(name)}.jsonl"


def set_paths(home: Home) -> list[Path]:
    """The files of all sets, sorted by name."""
    return sorted(path for path in home.gold.glob("*.jsonl") if PARTITION_NAME.fullmatch(path.stem))


def read_set(path: Path) -> tuple[list[tuple[int, GoldLabel]], list[Refusal]]:
    """Labels of one file with their rows, from 0, and the lines that are none.

    A label given twice counts once.
    """
    labels: dict[Key, tuple[int, GoldLabel]] = {}
    refused: list[Refusal] = []
    for row, line in enumerate(path.read_bytes().split(b"\n")):
        if not line.strip():
            continue
        parsed = _parse(line)
        if isinstance(parsed, GoldLabel):
            _, first = labels.setdefault(parsed.key, (row, parsed))
            if first.label == parsed.label:
                continue
            parsed = _conflict(first)
        refused.append(Refusal(f"gold/{path.name}", parsed, row, excerpt=excerpt_of(line)))
    return list(labels.values()), refused


def _parse(line: bytes) -> GoldLabel | str:
    try:
        return parse_label(orjson.loads(line))
    except orjson.JSONDecodeError as error:
        return f"not JSON: {error}"


def _conflict(first: GoldLabel) -> str:
    return f"{first.annotator} labelled this step {first.label or 'skipped'} before"


def merge_labels(
    path: Path, labels: Iterable[tuple[int, GoldLabel]], source: str, overwrite: bool = False
) -> Merged:
    """Put labels into a set; the file changes whole or not at all, and only where it must.

    `labels` come with their row in `source`. A step that the annotator labelled otherwise
    before is refused unless `overwrite`; one that was skipped before is not a conflict. Lines of
    the set that cannot be read are kept as they are.
    """
    refused: list[Refusal] = []
    added = changed = unchanged = 0
    with _locked(path.parent):
        known = {label.key: label for _, label in read_set(path)[0]} if path.exists() else {}
        before = dict(known)
        for row, label in labels:
            old = known.get(label.key)
            if old is None:
                added += 1
            elif (old.label, old.note) == (label.label, label.note):
                unchanged += 1
                continue
            elif old.label not in (None, label.label) and not overwrite:
                reason = f"{_conflict(old)}: give --replace to change it"
                refused.append(Refusal(source, reason, row, label.trajectory_id))
                continue
            else:
                changed += 1
            known[label.key] = label
        if known != before:
            place(path, _content(path, list(known.values())))
    return Merged(added, changed, unchanged, tuple(refused))


def _content(path: Path, labels: Sequence[GoldLabel]) -> bytes:
    lines = [orjson.dumps(label.model_dump()) for label in labels]
    if path.exists():
        lines += [line for line in path.read_bytes().split(b"\n") if _unreadable(line)]
    return b"".join(line + b"\n" for line in lines)


def _unreadable(line: bytes) -> bool:
    return bool(line.strip()) and isinstance(_parse(line), str)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        flock(file, LOCK_EX)
        yield
