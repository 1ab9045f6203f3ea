"""Evaluation runs as trajectories of their own asset, apart from what is trained on."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from srft_assets.errors import SrftError
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.frame import frame_of
from srft_assets.trajectories.model import Trajectory
from srft_assets.warehouse.stage import Work
from srft_assets.warehouse.stamp import Stamp
from srft_assets.warehouse.store import data_version


def read_runs(paths: Iterable[Path], root: Path) -> dict[str, Trajectory]:
    """Instance id → its run, from `.traj.json` files below `root`."""
    runs = {}
    for path in paths:
        name = path.relative_to(root).as_posix()
        run = read_record(orjson.loads(path.read_bytes()), source=name, row=0, hint=name)
        runs[run.instance_id] = run
    return runs


def keep_runs(arm: str, runs: Sequence[Trajectory], work: Work) -> None:
    """Write `eval_trajectories/<arm>/<seed>`, stamped with the recipe of the scores."""
    frame, refused = frame_of(runs, f"eval-{arm}-{work.partition}")
    if refused:
        raise SrftError(refused[0].line())
    stamp = Stamp(
        recipe=work.recipe,
        fingerprint=work.recipe.fingerprint,
        data_version=data_version(frame),
        rows=frame.height,
        run_id=work.run_id,
        made_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    work.warehouse.write(f"eval_trajectories/{arm}", work.partition, frame, stamp)
