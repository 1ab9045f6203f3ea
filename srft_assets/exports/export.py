"""One export: rows of an arm in, a folder with data files, card and manifest out."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import orjson

from srft_assets.critic.verdict import Label
from srft_assets.errors import UsageError
from srft_assets.exports.card import Counts, card
from srft_assets.exports.facts import Facts, check_sync, facts_of
from srft_assets.exports.formats import FORMATS
from srft_assets.exports.guard import Guard
from srft_assets.exports.source import Masked, Part, UnfitError
from srft_assets.exports.writer import MANIFEST, REFUSED, REPORT, DataFile, Format, placing
from srft_assets.home import Home
from srft_assets.tokens.token_labels import Span
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer, model_source
from srft_assets.warehouse.partitions import Stamp, Warehouse
from srft_assets.warehouse.sql import holders
from srft_assets.warehouse.stage import Progress, Stage

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
        mistake_weight: loss weight of masked mistakes, below 0; None: they carry none.
        redact: replace what is secret, instead of refusing it.
        allowed: kinds of it that stay, names of `guard.Allowed`.
        report: text of a report that is put beside the card, which links it.
    """

    arm: str
    batches: Sequence[str]
    format: str
    out: Path
    shard_bytes: int = 200 * MEGABYTE
    license: str | None = None
    stale_ok: bool = False
    round_weights: bool = False
    mistake_weight: float | None = None
    redact: bool = False
    allowed: Sequence[str] = ()
    report: str | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written to `folder`, and the Markdown of its card that tells how it is loaded."""

    form: Format
    folder: Path
    files: tuple[DataFile, ...]
    counts: Counts
    facts: Facts
    loading: str


def export(
    request: Request, home: Home, stages: Mapping[str, Stage], progress: Progress
) -> Exported:
    """Write the export in place of an earlier one, or of nothing.

    The same partitions give the same bytes. Raises UsageError for an arm or a folder that cannot
    be, and for a weight of mistakes that the format does not take; SrftError where the arm is not
    in sync, see `check_sync`, and where a run holds a key, an address or a home folder, which are
    replaced or allowed by request only.
    """
    form = FORMATS[request.format]
    check_mistake_weight(request.format, request.mistake_weight)
    batches = sorted(set(request.batches))
    out_of_sync = check_sync(stages, home, request.arm, batches, stale_ok=request.stale_ok)
    warehouse = Warehouse(home.warehouse)
    asset = f"masked_tokens/{request.arm}"
    there = [name for name in batches if warehouse.stamp(asset, name) is not None]
    missing = [name for name in batches if name not in there]
    parts = [Part(warehouse, request.arm, name) for name in there]
    stale = {name: item.why for name, item in out_of_sync.items() if name in there}
    facts = facts_of(warehouse, request.arm, parts, stale, missing)
    held_by = holders(warehouse, there, asset)
    counts, any_weight = Counts(), form.weights or request.round_weights
    new_guard = partial(
        Guard, request.redact, request.allowed, lambda: _tokenizer_of(home, parts[0].stamp)
    )
    guard, names = new_guard(), new_guard()
    with placing(request.out) as folder:
        reader = form.reader(_tokenizer_of(home, parts[0].stamp)) if form.reader else None
        if reader is not None and form.gathers:
            reader.gather(lambda: _counted_here(parts, held_by, any_weight, new_guard()))
        writer = form.writer(folder, request.shard_bytes)
        with (folder / REFUSED).open("wb") as refused:
            for masked, part in _runs(request, form, parts, progress):
                try:
                    _check(masked, held_by, any_weight)
                    masked = guard.passed(masked, part)
                    told = _against_mistakes(masked, request.mistake_weight)
                    records = list(form.records(told, reader))
                except UnfitError as error:
                    counts.refused[error.kind] += 1
                    line = {"trajectory_id": masked.trajectory_id, "reason": str(error)}
                    line = names.found.of(line, ("", None)) if request.redact else line
                    batch = names.batch(masked.batch) if request.redact else masked.batch
                    line = {"batch": batch, **line}
                    refused.write(orjson.dumps(line) + b"\n")
                    continue
                for record in records:
                    writer.add(record)
                counts.add(masked, with_loss=bool(records))
        facts = guard.told(facts)
        if request.report is not None:
            for name in filter(request.report.__contains__, warehouse.partitions("trajectories")):
                guard.batch(name)
            (folder / REPORT).write_text(guard.text(REPORT, request.report), encoding="utf-8")
        guard.check()
        counts.redacted.update(guard.found.by_kind)
        if not counts.refused:
            (folder / REFUSED).unlink()
        files = writer.close()
        loading = form.told(counts.longest, reader.settings if reader else {})
        if request.mistake_weight is not None:
            loading += f"\n\nMasked mistakes weigh {request.mistake_weight:g} here."
        _describe(request, form, loading, folder, files, counts, facts)
    return Exported(form, request.out, tuple(files), counts, facts, loading)


def check_mistake_weight(form: str, weight: float | None) -> None:
    """Raises UsageError for a weight of mistakes that the format does not take."""
    if weight is not None and not (FORMATS[form].negative and -math.inf < weight < 0):
        takers = ", ".join(name for name, one in FORMATS.items() if one.negative)
        raise UsageError(f"--mistake-weight is a number below 0, and for {takers} only")


def _tokenizer_of(home: Home, stamp: Stamp) -> ChatTokenizer:
    """The tokenizer that a `masked_tokens` partition was made with. Raises SrftError."""
    model = str(stamp.recipe.config.get("model"))
    return load_tokenizer(model_source(model, home, Warehouse(home.warehouse).read))


def _runs(
    request: Request, form: Format, parts: Sequence[Part], progress: Progress
) -> Iterator[tuple[Masked, Part]]:
    """The runs of all batches, each with what it is a part of; tells how many rows are done."""
    for part in parts:
        label, done = f"{request.arm} {part.batch} as {form.name}", 0
        progress.report(label, done, part.stamp.rows)
        for masked in part.runs(chats=True):
            yield masked, part
            done += len(masked.rows)
            progress.report(label, done, part.stamp.rows)


def _counted_here(
    parts: Sequence[Part], held_by: Mapping[str, str], any_weight: bool, guard: Guard
) -> Iterator[Masked]:
    """The runs of all batches, each once; redacted ones as they are written, with the same names
    as they come in the same order."""
    for part in parts:
        for masked in part.runs(chats=guard.redact):
            try:
                _check(masked, held_by, any_weight)
                yield guard.passed(masked, part) if guard.redact else masked
            except UnfitError:
                continue


def _against_mistakes(masked: Masked, weight: float | None) -> Masked:
    """The run with this loss weight at its masked mistakes."""
    if weight is None:
        return masked

    def weighed(span: Span) -> Span:
        away = span.label == Label.MISTAKE and not span.trained
        return replace(span, trained=True, weight=weight) if away else span

    rows = [replace(row, spans=tuple(map(weighed, row.spans))) for row in masked.rows]
    return replace(masked, rows=tuple(rows))


def _check(masked: Masked, held_by: Mapping[str, str], any_weight: bool) -> None:
    """Raises UnfitError where the run counts in another batch, or where a loss weight is lost."""
    holder = held_by.get(masked.trajectory_id, masked.batch)
    if holder != masked.batch:
        raise UnfitError("another batch holds the run too", holder)
    odd = {span.loss_weight for row in masked.rows for span in row.spans} - {0.0, 1.0}
    carrying = [f"`{name}`" for name, form in FORMATS.items() if form.weights]
    if odd and not any_weight:
        raise UnfitError(
            f"a step has a loss weight other than 0 and 1, which only {', '.join(carrying)} "
            "carry (`--round-weights` lets it weigh 1)"
        )


def _describe(
    request: Request,
    form: Format,
    loading: str,
    folder: Path,
    files: Sequence[DataFile],
    counts: Counts,
    facts: Facts,
) -> None:
    """The card, and the manifest that names every file."""
    report = None if request.report is None else REPORT
    text = card(form, loading, files, counts, facts, request.license, report)
    (folder / "README.md").write_text(text, encoding="utf-8")
    others = [name for name in ("README.md", REFUSED, REPORT) if (folder / name).exists()]
    listed = {
        one.name: {"rows": one.rows, "bytes": one.bytes, "sha256": one.sha256} for one in files
    }
    manifest = {
        "format": request.format,
        "files": listed | dict.fromkeys(others),
        "counts": counts.as_dict(),
        "made_from": facts.as_dict(),
        **({"allowed": sorted(request.allowed)} if request.allowed else {}),
    }
    (folder / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")
