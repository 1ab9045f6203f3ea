"""The rows of `masked_tokens/<arm>`: runs chosen, masked, verified, brought to length."""

from collections.abc import Iterator

import polars as pl

from srft_assets.outcomes.model import Status
from srft_assets.refusal import Refusal
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.choose import choose
from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.figures import figures
from srft_assets.tokens.jobs import Jobs
from srft_assets.tokens.labels import labels_of
from srft_assets.tokens.lengths import Lengths
from srft_assets.tokens.mask import mask_runs
from srft_assets.tokens.model_folder import model_source
from srft_assets.tokens.row import MaskedRow
from srft_assets.tokens.schema import MASKED_TOKENS
from srft_assets.tokens.tokenizer import ChatTokenizer, kept_tokenizer
from srft_assets.warehouse.stage import Made, Work


def make_masks(arm: ArmSpec, work: Work) -> Made:
    """The rows of one batch, verified; runs that fail are refused."""
    outcomes = work.read("test_outcomes")
    chosen = choose(arm, work.read("trajectories"), outcomes)
    status = {name: Status(one) for name, one in outcomes["trajectory_id", "status"].iter_rows()}
    jobs = Jobs(arm, chosen.frame, status, labels_of(arm, work))
    left_out = {f"runs_{why}": count for why, count in chosen.left_out.items()}
    if not jobs.ids:
        return _made(jobs, work, None, left_out)
    tokenizer = kept_tokenizer(model_source(arm.model, work.home, work.read))
    fast = tokenizer.fast_backend
    fast.begin()
    made = _made(jobs, work, tokenizer, left_out)
    if fast.refused is not None:
        work.log.warning("tokenized by the model's own tokenizer alone: %s", fast.refused)
    return _made(jobs, work, tokenizer, left_out) if fast.doubtful else made


def _made(
    jobs: Jobs, work: Work, tokenizer: ChatTokenizer | None, left_out: dict[str, int]
) -> Made:
    """All rows of the partition; `tokenizer` is None where there is no run to tokenize."""
    source = f"trajectories/{work.partition}"
    lengths = Lengths(jobs.arm)
    rows: list[MaskedRow] = []
    refused: list[Refusal] = []
    for trajectory_id, row in _masked(jobs, work, tokenizer) if tokenizer else ():
        try:
            rows += lengths.fit(jobs.weighted(_unrefused(row)))
        except RunRefusedError as error:
            refused.append(Refusal(source, str(error), subject=trajectory_id))
    told = figures(rows, refused) | left_out | lengths.figures()
    if tokenizer and tokenizer.fast_backend.refused:
        told["fastokens_not_used"] = tokenizer.fast_backend.refused
    refused += [Refusal(source, reason, subject=name) for name, reason in lengths.lost]
    frame = pl.DataFrame([row.as_row() for row in rows], schema=MASKED_TOKENS)
    return Made(frame, refused, told)


def _masked(
    jobs: Jobs, work: Work, tokenizer: ChatTokenizer
) -> Iterator[tuple[str, MaskedRow | RunRefusedError]]:
    """Each run's id and its row."""
    rows = mask_runs(jobs, tokenizer)
    label = f"masked_tokens/{jobs.arm.name} {work.partition}"
    yield from zip(jobs.ids, work.progress.track(rows, label, len(jobs.ids)), strict=True)


def _unrefused(row: MaskedRow | RunRefusedError) -> MaskedRow:
    if isinstance(row, RunRefusedError):
        raise row
    return row
