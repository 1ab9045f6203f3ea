"""What stands between runs and an export: nothing secret passes unless it was allowed."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from srft_assets.errors import SrftError
from srft_assets.exports import Allowed
from srft_assets.exports.facts import Facts
from srft_assets.exports.secrets import BESIDE, EMAIL, HOME, PASSWORD, Redaction, told
from srft_assets.exports.source import ROWS_AT_ONCE, Masked, Part, UnfitError
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.lengths import Lengths
from srft_assets.tokens.mask import mask_run
from srft_assets.tokens.token_labels import MaskedRow, RunRefusedError, Span
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.warehouse.partitions import Stamp

LINES = (".jsonl", ".json", ".md", ".yaml", ".yml", ".txt", ".jinja", ".py", ".html")
VOCABULARIES = frozenset({"tokenizer.json", "vocab.json", "merges.txt", "vocab.txt"})
"""Files of a model that hold no text of runs, and every kind of text by chance."""


KINDS = {Allowed.EMAIL: EMAIL, Allowed.HOME: HOME, Allowed.PASSWORD: PASSWORD}


def kinds(allowed: Collection[str]) -> set[str]:
    """The kinds of `secrets` that names of `Allowed` stand for."""
    return {KINDS[Allowed(one)] for one in allowed}


@dataclass
class Guard:
    """Looks at every run on its way into an export.

    Attributes:
        redact: whether what is found is replaced, and the run masked anew; else `check` refuses.
        tokenizer: of the masks; asked for where a run is masked anew.
    """

    redact: bool
    allowed: Collection[str]
    tokenizer: Callable[[], ChatTokenizer]
    found: Redaction = field(init=False)
    _batches: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.found = Redaction(kinds(self.allowed))

    def passed(self, masked: Masked, part: Part) -> Masked:
        """The run as it may be published. Raises UnfitError where it cannot be masked anew.

        Where the batch was made anew since, the tokens may say what its messages do not.
        """
        assert masked.run is not None
        run, named = self.found.run(masked.run), self.batch(masked.batch)
        masked = replace(masked, batch=named) if self.redact else masked
        if part.is_older:
            run = run or masked.run
            for row in () if self.redact else masked.rows:
                told = self.tokenizer().decode(row.input_ids.tolist())
                self.found.text(told, (masked.trajectory_id, BESIDE))
        if run is None or not self.redact:
            return masked
        spans = {span.step_index: span for row in masked.rows for span in row.spans}
        weights = {step.step_index: 0.0 for step in run.steps}
        weights |= {step: span.loss_weight for step, span in spans.items()}
        labels = {step: span.label for step, span in spans.items() if span.label is not None}
        try:
            row = mask_run(
                run, weights, self.tokenizer(), labels=labels, status=masked.rows[0].status
            )
            rows = tuple(Lengths(_lengths(part.stamp)).fit(row))
        except RunRefusedError as error:
            raise UnfitError("cannot be masked again once it is redacted", str(error)) from None
        if not rows:
            raise UnfitError("is too long once it is redacted")
        _check_alike(spans, rows)
        return replace(masked, rows=rows, run=run)

    def batch(self, name: str) -> str:
        """The name of a batch, which may be that of a project as Claude Code names its folder: the
        path with `-`, of which ingest drops the first."""
        if name not in self._batches:
            told = self.found.text(f"-{name}", ("a batch's name", BESIDE))
            self._batches[name] = told.removeprefix("-")
        return self._batches[name]

    def told(self, facts: Facts) -> Facts:
        """What the card and the manifest may say of where the runs come from."""
        place = ("the card", BESIDE)
        authors: Counter[tuple[str, str]] = Counter()
        for (scaffold, model), count in facts.authors.items():
            authors[self.found.text(scaffold, place), self.found.text(model, place)] += count
        critic = facts.critic and replace(
            facts.critic, models=tuple(self.found.of(list(facts.critic.models), place))
        )
        settings = self.found.of(dict(facts.settings), place)
        after = replace(facts, authors=authors, critic=critic, settings=settings)
        after = after.with_names(self.batch)
        return after if self.redact else facts

    def text(self, name: str, text: str) -> str:
        """The text of a file beside the runs, as it may be published; batches have the names there
        that they have in the card."""
        lines = enumerate(text.splitlines(keepends=True), 1)
        after = "".join(self.found.text(line, (f"{name} line {n}", BESIDE)) for n, line in lines)
        for old in sorted(self._batches, key=len, reverse=True):
            after = after.replace(old, self._batches[old])
        return after if self.redact else text

    def check(self) -> None:
        """Raises SrftError that says what was found where, unless it was replaced."""
        if self.found.places and not self.redact:
            listed = ", ".join(f"{count:,} × {kind}" for kind, count in self.found.by_kind.items())
            raise SrftError(
                f"not exported, as it holds {listed} ({told(self.found.places)}): --redact "
                f"replaces them, --allow {'|'.join(Allowed)} lets such ones pass"
            )


def _lengths(stamp: Stamp) -> ArmSpec:
    """An arm that fits rows as the one of the partition."""
    config: Mapping[str, Any] = stamp.recipe.config
    stated = {name: config[name] for name in ("too_long", "overlap") if name in config}
    length = {"max_length": config["max_length"]} if "max_length" in config else {}
    return ArmSpec.model_validate({"name": "redacted", **stated, "training": length})


def _check_alike(before: Mapping[int, Span], rows: Collection[MaskedRow]) -> None:
    """Raises UnfitError where a step has another mask than before, or no tokens any more."""
    after = {span.step_index: span for row in rows for span in row.spans}
    for step, old in before.items():
        new = after.get(step)
        if new is None:
            raise UnfitError("is too long once it is redacted", f"it loses step {step}")
        if (old.loss_weight, old.label) != (new.loss_weight, new.label):
            raise UnfitError("cannot be masked again once it is redacted", f"step {step}")


def check_files(folder: Path, files: Collection[str], allowed: Collection[str]) -> None:
    """Raises SrftError where text in one of the files is secret, with file and line or row."""
    found = Redaction(kinds(allowed))
    for name in sorted(files):
        path = folder / name
        if path.name in VOCABULARIES:
            continue
        if path.suffix in LINES:
            with path.open(encoding="utf-8", errors="replace") as lines:
                for number, line in enumerate(lines, 1):
                    found.text(line, (f"{name} line {number}", None))
        elif path.suffix == ".parquet":
            batches = pq.ParquetFile(path).iter_batches(ROWS_AT_ONCE)
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, row in enumerate(rows, 1):
                texts = {key: cell for key, cell in row.items() if not _numbers(cell)}
                found.text(
                    orjson.dumps(texts, default=str).decode(), (f"{name} row {number}", None)
                )
    if found.places:
        lines_of = {place: f"{place}: {kind}" for place, _, kind in found.places}
        first = "; ".join([*lines_of.values()][:5])
        raise SrftError(
            f"not pushed: {len(lines_of):,} places hold what is secret, e.g. {first}. Export it "
            "again with --redact"
        )


def _numbers(cell: Any) -> bool:
    return isinstance(cell, list) and bool(cell) and isinstance(cell[0], int | float)
