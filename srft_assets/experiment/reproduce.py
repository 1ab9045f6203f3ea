"""The experiment, from nothing to its report: arms of a project of its own, made by the engine."""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import yaml

import srft_assets
from srft_assets.errors import SrftError
from srft_assets.experiment.design import (
    BATCH,
    CRITIC,
    NEEDED,
    SHIPPED,
    Design,
    Form,
    Teacher,
    arms_of,
    set_name,
    write_set,
)
from srft_assets.experiment.report import Ran, write_report
from srft_assets.home import Home
from srft_assets.lab.regime import Regime
from srft_assets.trajectories.batches import write_lab_batch

Apply = Callable[[Sequence[str], Sequence[str]], Mapping[str, Sequence[str]]]
"""Makes assets of the project with these seeds, and all they need, where they are out of sync;
answers with the partitions that were made, by asset."""
PACKAGES = ("srft-assets", "torch", "transformers", "trl", "mini-swe-agent", "polars", "duckdb")


def project_of(home: Home) -> Path:
    """The folder of the experiment's critics and arms."""
    return home.root / "defs"


def reproduce(home: Home, form: Form, regime: Regime, command: str, apply: Apply) -> Path:
    """Make what is out of sync of every condition, then the report; its path.

    `home` is the experiment's own, so that its arms are in no other graph. Stopped at any moment,
    the same call goes on. Raises SrftError where a run of the engine fails.
    """
    began, code = time.monotonic(), commit()
    write_lab_batch(home, BATCH, regime.batch_settings(form.runs))
    write_project(home, {})
    apply(NEEDED, [])
    teacher = Teacher(home)
    check_outcomes(teacher.outcomes)
    for share, seed in product(form.moved, range(form.seeds)):
        write_set(home, set_name(share, seed), teacher.moved(share, seed))
    design = Design(form, regime, teacher)
    conditions = [*design.by_steps(), *design.by_f1(), *design.by_share()]
    write_project(home, arms_of(conditions))
    apply([f"masked_tokens/{arm}" for arm in arms_of(conditions)], [])
    if form.same_tokens:
        conditions += design.by_tokens()
        write_project(home, arms_of(conditions))
    made = 0
    for seed in range(form.seeds):
        arms = arms_of(one for one in conditions if one.seed == seed)
        scores = apply([f"eval_scores/{arm}" for arm in arms], [str(seed)])
        made += sum(len(names) for key, names in scores.items() if key.startswith("eval_scores/"))
    ran = Ran(command, time.monotonic() - began, made, code, machine(), versions())
    return write_report(design, conditions, home.root, ran)


def write_project(home: Home, arms: Mapping[str, Mapping[str, Any]]) -> None:
    """The critic and these arms, a folder each, as in `srft_assets/defs`; nothing else stays."""
    folder = project_of(home)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SHIPPED / "critics" / CRITIC, folder / "critics" / CRITIC)
    for name, settings in arms.items():
        stated = {"type": "srft_assets.components.arm.Arm", "attributes": dict(settings)}
        path = folder / "arms" / name / "defs.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump(stated, sort_keys=False), encoding="utf-8")


def check_outcomes(outcomes: pl.DataFrame) -> None:
    """Raises SrftError where the grading of the teacher's runs failed for the machine's reasons."""
    bad = outcomes.filter(pl.col("status").is_in(["infra_error", "timeout", "unknown"]))
    if bad.height:
        run, status, reason = bad.select("trajectory_id", "status", "reason").row(0)
        raise SrftError(
            f"{bad.height} of the teacher's runs were not graded ({run}: {status}, {reason}): "
            "remove warehouse/test_outcomes from the folder and start again"
        )


def commit() -> str:
    """The commit of the checkout, and whether files differ from it; `unknown` outside of one."""
    folder = Path(srft_assets.__file__).parent.parent
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}, with changes" if changed else head


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def versions() -> str:
    """Python and the packages that matter."""
    packages = (f"{name} {version(name)}" for name in PACKAGES)
    return ", ".join([f"Python {platform.python_version()}", *packages])


def machine() -> str:
    """Cores and architecture."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} {platform.machine()} core{'s' if cores > 1 else ''}"
