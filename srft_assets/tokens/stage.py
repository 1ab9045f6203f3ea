"""`masked_tokens/<arm>`: token ids and loss masks of a batch for one training arm."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.critic.verdict import Label
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.outcomes.model import Status
from srft_assets.refusal import Refusal
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.mask import Job, mask_runs
from srft_assets.tokens.policy import decide, takes
from srft_assets.tokens.row import MaskedRow
from srft_assets.tokens.schema import MASKED_TOKENS
from srft_assets.tokens.tokenizer import load_tokenizer, tokenizer_fingerprint
from srft_assets.trajectories.schema import from_row
from srft_assets.warehouse.code import code_digest
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work
from srft_assets.warehouse.store import ONLY

RUNS_AT_ONCE = 16
"""Runs that are read from the trajectories frame together."""

PARTS = (
    "check",
    "encode",
    "literal",
    "mask",
    "messages",
    "policy",
    "render",
    "row",
    "stage",
    "template",
    "tokenizer",
    "trace",
)
"""Modules that decide rows; `arm` is not one, its settings count by value."""

DESCRIPTION = """
What the arm `{name}` trains on, one row a run: token ids, and the token span of every assistant
turn with whether it carries loss. A masked step stays in the context. Every trained token was
verified to decode to the text of an accepted step; runs that fail this are refused and counted.

{description}
"""


def is_base_model_asset(model: str) -> bool:
    """Whether an arm's model names an asset `base_models/<name>`, not a folder or a Hub id."""
    return "/" not in model and not Path(model).is_dir()


def masked_tokens_stage(arm: ArmSpec) -> Stage:
    """The stage of one arm. Training and evaluation settings do not touch it."""
    asset = is_base_model_asset(arm.model)
    upstream = [Upstream("trajectories"), Upstream("test_outcomes")]
    if arm.critic is not None:
        upstream.append(Upstream(f"step_verdicts/{arm.critic}"))
    if asset:
        upstream.append(Upstream(f"base_models/{arm.model}", mapping="whole"))

    def config_of(home: Home, partition: str) -> Mapping[str, Any]:
        return {} if asset else {"tokenizer": tokenizer_fingerprint(arm.model)}

    return Stage(
        key=f"masked_tokens/{arm.name}",
        partitioned_by="batch",
        upstream=tuple(upstream),
        schema=MASKED_TOKENS,
        code={"masking": code_digest(*(f"srft_assets.tokens.{part}" for part in PARTS))},
        make=lambda work: _make(arm, work),
        config=_config(arm),
        config_of=config_of,
        description=DESCRIPTION.format(name=arm.name, description=arm.description).strip(),
        kinds=frozenset({"polars", "huggingface"}),
    )


def _config(arm: ArmSpec) -> dict[str, Any]:
    """The settings that decide tokens or mask; without a critic no mask setting does."""
    config: dict[str, Any] = {"runs": arm.runs, "model": arm.model, "critic": arm.critic}
    if arm.critic is not None:
        config |= {
            "mask": sorted(arm.mask),
            "mask_resolved": arm.mask_resolved,
            "unlabeled": arm.unlabeled,
        }
    return config


def _make(arm: ArmSpec, work: Work) -> Made:
    jobs, left_out = _jobs(arm, work)
    total = len(jobs.ids)
    if not total:
        return Made(MASKED_TOKENS.to_frame(), metadata=_figures([], 0, left_out))
    tokenizer = load_tokenizer(_model_path(arm, work))
    rows: list[MaskedRow] = []
    refused: list[Refusal] = []
    label = f"masked_tokens/{arm.name} {work.partition}"
    tracked = work.progress.track(mask_runs(jobs, tokenizer), label, total)
    for trajectory_id, row in zip(jobs.ids, tracked, strict=True):
        if isinstance(row, RunRefusedError):
            source = f"trajectories/{work.partition}"
            refused.append(Refusal(source, str(row), subject=trajectory_id))
        else:
            rows.append(row)
    frame = pl.DataFrame([row.as_row() for row in rows], schema=MASKED_TOKENS)
    return Made(frame, refused, _figures(rows, len(refused), left_out))


class _Jobs:
    """The arm's runs of a batch, read a few at a time."""

    def __init__(self, arm: ArmSpec, frame: pl.DataFrame, status: dict, labels: dict) -> None:
        self.arm, self.frame, self.status, self.labels = arm, frame, status, labels
        self.ids: list[str] = frame["trajectory_id"].to_list()

    def __iter__(self) -> Iterator[Job]:
        for rows in self.frame.iter_slices(RUNS_AT_ONCE):
            for row in rows.iter_rows(named=True):
                yield self._job(row)

    def _job(self, row: dict[str, Any]) -> Job:
        run = from_row(row)
        status = self.status.get(run.trajectory_id, Status.UNKNOWN)
        stated = self.labels.get(run.trajectory_id, {})
        labels = {s.step_index: stated.get(s.step_index, Label.UNLABELED) for s in run.steps}
        keep = decide(self.arm, status, labels)
        names = {} if self.arm.critic is None else {step: str(n) for step, n in labels.items()}
        return Job(run, keep, names, status)


def _jobs(arm: ArmSpec, work: Work) -> tuple[_Jobs, Counter[str]]:
    """The runs that the arm takes, and how many it leaves by status."""
    outcomes = work.read("test_outcomes")
    pairs = zip(outcomes["trajectory_id"], outcomes["status"], strict=True)
    status = {trajectory_id: Status(name) for trajectory_id, name in pairs}
    frame = work.read("trajectories")
    of = [status.get(name, Status.UNKNOWN) for name in frame["trajectory_id"]]
    taken = [takes(arm, one) for one in of]
    left_out = Counter(str(one) for one, take in zip(of, taken, strict=True) if not take)
    labels: dict[str, dict[int, Label]] = {}
    if arm.critic is not None:
        verdicts = work.read(f"step_verdicts/{arm.critic}")
        columns = verdicts.select("trajectory_id", "step_index", "label").iter_rows()
        for trajectory_id, step_index, label in columns:
            labels.setdefault(trajectory_id, {})[step_index] = Label(label)
    return _Jobs(arm, frame.filter(pl.Series(taken, dtype=pl.Boolean)), status, labels), left_out


def _model_path(arm: ArmSpec, work: Work) -> str:
    if not is_base_model_asset(arm.model):
        return arm.model
    rows = work.read(f"base_models/{arm.model}", ONLY)
    if not rows.height:
        raise SrftError(f"the base model {arm.model} has no folder: make base_models/{arm.model}")
    return str(work.home.root / rows["path"][0])


def _figures(rows: list[MaskedRow], refused: int, left_out: Counter[str]) -> dict[str, Any]:
    trained, masked = sum(r.n_trained for r in rows), sum(r.n_masked for r in rows)
    return {
        "runs": len(rows),
        "runs_refused": refused,
        "runs_of_other_outcome": sum(left_out.values()),
        "runs_without_a_trained_token": sum(not row.n_trained for row in rows),
        "tokens": sum(row.n_tokens for row in rows),
        "tokens_trained": trained,
        "tokens_masked": masked,
        "masked_share": masked / (trained + masked) if trained + masked else 0.0,
    }
