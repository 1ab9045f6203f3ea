"""One export: rows of an arm in, a folder with data files, card and manifest out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from srft_assets.exports.card import card
from srft_assets.exports.conversation import weight_of
from srft_assets.exports.counts import Counts
from srft_assets.exports.errors import UnfitError
from srft_assets.exports.facts import Facts, facts_of
from srft_assets.exports.formats import FORMATS, Format
from srft_assets.exports.place import MANIFEST, placing
from srft_assets.exports.rendered import tokenizer_of
from srft_assets.exports.shards import DataFile, Shards
from srft_assets.exports.source import Masked, Part
from srft_assets.exports.sync import check_sync
from srft_assets.home import Home
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.warehouse.doubles import holders
from srft_assets.warehouse.stage import Progress, Stage
from srft_assets.warehouse.store import Warehouse

REFUSED = "refused.jsonl"
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """What to export and how.

    Attributes:
        format: one of `FORMATS`.
        shard_bytes: most that a data file holds, about.
        license: as the Hub names it; None: not stated.
        stale_ok: export also what is not in sync, and say so.
        round_weights: let every trained step weigh 1 where the format carries no weights.
    """

    arm: str
    batches: Sequence[str]
    format: str
    out: Path
    shard_bytes: int = 200 * MEGABYTE
    license: str | None = None
    stale_ok: bool = False
    round_weights: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written to `folder`."""

    folder: Path
    files: tuple[DataFile, ...]
    counts: Counts
    facts: Facts


def export(
    request: Request, home: Home, stages: Mapping[str, Stage], progress: Progress
) -> Exported:
    """Write the export in place of an earlier one, or of nothing.

    The same partitions give the same bytes. Raises UsageError for an arm or a folder that cannot
    be, SrftError where the arm is not in sync; see `check_sync`.
    """
    batches = sorted(set(request.batches))
    out_of_sync = check_sync(stages, home, request.arm, batches, stale_ok=request.stale_ok)
    warehouse = Warehouse(home.warehouse)
    asset = f"masked_tokens/{request.arm}"
    there = [name for name in batches if warehouse.stamp(asset, name) is not None]
    missing = [name for name in batches if name not in there]
    parts = [Part(warehouse, request.arm, name) for name in there]
    stale = {name: item.why for name, item in out_of_sync.items() if name in there}
    facts = facts_of(warehouse, request.arm, parts, stale, missing)
    counts = Counts()
    holder = holders(warehouse, there, asset)
    with placing(request.out) as folder:
        form = FORMATS[request.format]
        tokenizer = tokenizer_of(home, parts[0].stamp) if form.renders else None
        writer = _Writer(form, tokenizer, request.round_weights, counts, holder)
        files = writer.write(request, folder, parts, progress)
        _describe(request, folder, files, counts, facts)
    return Exported(request.out, tuple(files), counts, facts)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Runs to records."""

    form: Format
    tokenizer: ChatTokenizer | None
    round_weights: bool
    counts: Counts
    holder: Mapping[str, str]

    def write(
        self, request: Request, folder: Path, parts: Sequence[Part], progress: Progress
    ) -> list[DataFile]:
        """The data files, and `REFUSED` where any run is."""
        shards = self.form.shards(folder, request.shard_bytes)
        with (folder / REFUSED).open("wb") as refused:
            for part in parts:
                label = f"{request.arm} {part.batch} as {self.form.name}"
                runs = part.runs(self.form.chats)
                for masked in _tracked(runs, progress, label, part.stamp.rows):
                    try:
                        self._add(masked, shards)
                    except UnfitError as error:
                        self.counts.refused[error.kind] += 1
                        _refuse(refused, masked, error)
        if not self.counts.refused:
            (folder / REFUSED).unlink()
        return shards.close()

    def _add(self, masked: Masked, shards: Shards) -> None:
        holder = self.holder.get(masked.trajectory_id, masked.batch)
        if holder != masked.batch:
            raise UnfitError("another batch holds the run too", holder)
        if not (self.form.weights or self.round_weights):
            _check_weights(masked)
        records = list(self.form.records(masked, self.tokenizer))
        for record in records:
            shards.add(record)
        if records:
            self.counts.add(masked)
        else:
            self.counts.without_loss += 1


def _tracked(
    runs: Iterable[Masked], progress: Progress, label: str, total: int
) -> Iterator[Masked]:
    """The runs, and how many of the rows they make are done."""
    done = 0
    progress.report(label, 0, total)
    for masked in runs:
        yield masked
        done += len(masked.rows)
        progress.report(label, done, total)


def _check_weights(masked: Masked) -> None:
    odd = {weight_of(span) for row in masked.rows for span in row.spans} - {0.0, 1.0}
    if odd:
        raise UnfitError(
            "a step has a loss weight other than 0 and 1, which only `messages` and `parquet` "
            "carry (`--round-weights` lets it weigh 1)"
        )


def _refuse(file: BinaryIO, masked: Masked, error: UnfitError) -> None:
    line = {"batch": masked.batch, "trajectory_id": masked.trajectory_id, "reason": str(error)}
    file.write(orjson.dumps(line) + b"\n")


def _describe(
    request: Request, folder: Path, files: Sequence[DataFile], counts: Counts, facts: Facts
) -> None:
    """The card, and the manifest that names every file."""
    text = card(request.format, files, counts, facts, request.license)
    (folder / "README.md").write_text(text, encoding="utf-8")
    others = [name for name in ("README.md", REFUSED) if (folder / name).exists()]
    listed = {
        one.name: {"rows": one.rows, "bytes": one.bytes, "sha256": one.sha256} for one in files
    }
    manifest = {
        "format": request.format,
        "files": listed | dict.fromkeys(others),
        "counts": counts.as_dict(),
        "made_from": facts.as_dict(),
    }
    (folder / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")
