"""Gold labels that generated runs bring of their own.

The scripted teacher says of each turn what it is, in `extra.teacher` of the raw message. The
readers drop it, so that no critic sees it; here it is read from the raw runs in `home.runs`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from srft_assets.critic.gold.labels import GoldLabel, parse_label
from srft_assets.home import Home
from srft_assets.refusal import Refusal
from srft_assets.trajectories.batches import LAB, batch_names
from srft_assets.trajectories.fields import RecordError
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.manifest import read_manifest

TEACHER = "teacher"
COLUMNS = ["trajectory_id", "source", "n_steps"]


def lab_batches(home: Home) -> list[str]:
    """Batches whose runs the platform generated."""
    return [name for name in batch_names(home) if read_manifest(home, name).kind == LAB]


def recorded_in(home: Home, batch: str) -> list[Path]:
    """Folders of the raw runs of a batch, one for each making, the latest first."""
    folders = [path for path in (home.runs / batch).glob("*") if path.is_dir()]
    return sorted(folders, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def recorded_labels(home: Home, batch: str, runs: pl.DataFrame) -> Iterator[GoldLabel | Refusal]:
    """What the teacher said of each step of the batch; `runs` has `COLUMNS`.

    A run whose raw form is gone is refused: its labels went with it.
    """
    folders = recorded_in(home, batch)
    for run in runs.iter_rows(named=True):
        raw = _raw(folders, run)
        place = f"runs/{batch}/{run['source']}"
        if raw is None:
            yield Refusal(place, "the raw run is gone", subject=run["trajectory_id"])
            continue
        said = [_said(m) for m in raw["messages"] if m.get("role") == "assistant"]
        if len(said) != run["n_steps"] or None in said:
            reason = f"the teacher labelled {sum(map(bool, said))} turns of {run['n_steps']} steps"
            yield Refusal(place, reason, subject=run["trajectory_id"])
            continue
        yield from _labels(run["trajectory_id"], said, place)


def _raw(folders: list[Path], run: dict[str, Any]) -> dict[str, Any] | None:
    """The latest recording that reads as exactly this run."""
    for folder in folders:
        path = folder / run["source"]
        try:
            record = orjson.loads(path.read_bytes())
            read = read_record(record, source=run["source"], row=0, hint=path.name)
        except (FileNotFoundError, orjson.JSONDecodeError, RecordError):
            continue
        if read.trajectory_id == run["trajectory_id"]:
            return record
    return None


def _said(message: dict[str, Any]) -> dict[str, Any] | None:
    extra = message.get("extra")
    said = extra.get(TEACHER) if isinstance(extra, dict) else None
    return said if isinstance(said, dict) else None


def _labels(run: str, said: list[Any], place: str) -> Iterator[GoldLabel | Refusal]:
    for index, one in enumerate(said):
        parsed = parse_label(
            {
                "trajectory_id": run,
                "step_index": index,
                "label": one.get("label"),
                "annotator": TEACHER,
                "note": one.get("reason", ""),
            }
        )
        if isinstance(parsed, GoldLabel):
            yield parsed
        else:
            yield Refusal(place, parsed, index, run)
