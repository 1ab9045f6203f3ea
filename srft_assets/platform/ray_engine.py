"""Partitions as tasks of a Ray cluster: an engine beside `worker_pool`, and no scheduler of ours.

Ray places a task where what it needs is free, and runs it anew where its node dies; a partition is
written in a turn of its own, so that a task whose node was only cut off overwrites nothing. A node
needs the same home at the same place and the same Python environment.
"""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from functools import cache
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.home import current_home
from srft_assets.platform.worker import maker
from srft_assets.platform.worker_pool import Asked, Ended, Listener
from srft_assets.plugins import need
from srft_assets.processes.launch import places
from srft_assets.project.folder import load_env_file
from srft_assets.project.settings import PREFIX, Ray
from srft_assets.warehouse.stage import Stage

RETRIES = 3
"""Of a task whose node or process died."""
LOOK_SECONDS = 1.0
ANSWER_SECONDS = 10.0
NAMED = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}
"""Resources that Ray takes as arguments of their own; the others are of the cluster's making."""
Told = list[Any]


def needs(stage: Stage, stated: Ray) -> dict[str, float] | None:
    """What a partition of the stage needs of a node; None for what is not made on Ray."""
    heavy = {"checkpoints": stated.training, "eval_scores": stated.evaluation}
    kind = stage.key.partition("/")[0]
    if kind in heavy:  # of an arm that trains nothing the stage has no pool
        return (stage.pool and heavy[kind]) or None
    return {"CPU": stated.cpus} if stage.apart else None


def make_over_ray(
    asked: Asked, names: Sequence[str], needed: Mapping[str, float], stated: Ray, listener: Listener
) -> Iterator[Ended]:
    """Make the partitions over the cluster; yields each as it ends.

    What a task says is heard when it ends. Where the iteration is left early, or this process dies,
    Ray ends what was begun. Raises UsageError where Ray is not installed, SrftError where no
    cluster answers.
    """
    need("ray")
    import ray

    _connect(stated.address)
    options = {NAMED[name]: needed[name] for name in NAMED if name in needed}
    others = {name: count for name, count in needed.items() if name not in NAMED}
    task = ray.remote(_made).options(
        **{"num_cpus": 0, **options}, resources=others, max_retries=RETRIES
    )
    env = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    env |= places(current_home())
    left = {task.remote(asked, tuple(sorted(env.items())), name): name for name in names}
    try:
        while left:
            for one in ray.wait(list(left), timeout=LOOK_SECONDS)[0]:
                name = left.pop(one)
                try:
                    ended, told = ray.get(one)
                except ray.exceptions.RayError as error:
                    cause = getattr(error, "cause", None) or error
                    yield Ended(name, "failed", f"Ray: {' '.join(str(cause).split())[:300]}")
                    continue
                for what, *said in told:
                    getattr(listener, what)(*said)
                yield ended
    finally:
        for one in left:
            ray.cancel(one)


def _connect(address: str) -> None:
    """To the cluster, once a process."""
    import ray

    if ray.is_initialized():
        return
    host, _, port = address.rpartition(":")
    try:
        if port.isdecimal() and "://" not in host:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
        with chdir("/"):  # Ray has its workers import from this folder, which may hold runs
            ray.init(address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:
        told = " ".join(str(error).split())[:300]
        raise SrftError(
            f"no Ray cluster answers at {address} (ray.address): ray start --head begins one "
            f"({told})"
        ) from error


def _made(asked: Asked, env: tuple[tuple[str, str], ...], name: str) -> tuple[Ended, Told]:
    """Make one on a node; what became of it, and what was told meanwhile."""
    make, told = _maker(asked, env)
    told.clear()
    return make(name), list(told)


@cache
def _maker(asked: Asked, env: tuple[tuple[str, str], ...]) -> tuple[Any, Told]:
    """One for all tasks of a run that a process of Ray's gets."""
    os.environ.update(env)
    load_env_file()
    told: Told = []
    return maker(asked, told.append, alone=False), told
