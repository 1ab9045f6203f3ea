"""Evaluation runs as trajectories of their own asset, apart from what is trained on."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from srft_assets.errors import SrftError
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import Trajectory, trajectory_id
from srft_assets.trajectories.schema import frame_of
from srft_assets.warehouse.content import data_version
from srft_assets.warehouse.stage import Work
from srft_assets.warehouse.stamp import Stamp

SCAFFOLD = "mini-swe-agent"


def read_run(path: Path, attempt: int = 0) -> Trajectory:
    """The run of one `.traj.json` file that `agent.play` wrote; its source is the file's name.

    Attempts that went word for word alike are runs of their own, with ids of their own.

    A run in which the model never kept to the format holds no turn. Readers refuse that, since
    there is nothing to learn from it; as an evaluation it counts, and is a run of no steps.
    """
    run = _read(path)
    if attempt:
        stated = f"{run.trajectory_id}#{attempt}"
        run.trajectory_id = trajectory_id(run.instance_id, stated, [], SCAFFOLD)
    return run


def _read(path: Path) -> Trajectory:
    record = orjson.loads(path.read_bytes())
    if any(message["role"] == "assistant" for message in record["messages"]):
        return read_record(record, source=path.name, row=0)
    info, instance_id = record["info"], record["instance_id"]
    messages = [
        {"role": message["role"], "content": message["content"]}
        for message in record["messages"]
        if message["role"] != "exit"
    ]
    return Trajectory(
        trajectory_id=trajectory_id(instance_id, None, messages, SCAFFOLD),
        instance_id=instance_id,
        scaffold=SCAFFOLD,
        format=record["trajectory_format"],
        messages=messages,
        steps=[],
        model=info["config"]["model"]["model_name"],
        exit_status=info["exit_status"],
        source=path.name,
    )


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
