"""What an export holds, counted, and the data set card that tells it: README.md for the Hub."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from srft_assets.exports.facts import CriticFacts, Facts
from srft_assets.exports.source import Masked
from srft_assets.exports.writer import DataFile, Format
from srft_assets.text import visible

UNLABELED = "no label"
FIGURES = ("runs", "rows", "steps", "steps_trained", "tokens", "trained", "masked", "context")
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
MORE = "1M<n<10M"
NUMBERED = re.compile(r"\d{5}-of-\d{5}")
"""The part of a data file's name that tells it from the others."""
TAGS = ["srft", "coding-agents", "trajectories", "step-rejection-fine-tuning"]

LICENCE = """\
**Whose licence?** srft states none. The runs were written by a model and hold text of repositories
and of people: the licences of both, and the terms of the model's provider, decide what may be done
with this data. State them before you share it."""

UNKNOWN_LEAK = (
    "Whether it saw the reference solution (gold patch) is not known of all its versions."
)
LEAK = (
    "**Leak:** it saw the reference solution (gold patch) of each task. Masks made with it carry "
    "knowledge that no agent has; say so where you report results on the same tasks."
)


@dataclass(slots=True)
class Counts:
    """Counts of the runs that were exported.

    Attributes:
        by_status: outcome → `FIGURES`; the last four count tokens.
        by_label: label of a step → steps, tokens trained and masked.
        weights: loss weights of the trained steps → steps.
        refused: reason → runs.
        without_loss: runs that are left out because the format has no record for them.
        redacted: kind of what was replaced before the runs were masked → how often.
        longest: tokens of the longest row.
    """

    by_status: dict[str, Counter[str]] = field(default_factory=dict)
    by_label: dict[str, Counter[str]] = field(default_factory=dict)
    weights: Counter[float] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    without_loss: int = 0
    redacted: Counter[str] = field(default_factory=Counter)
    longest: int = 0

    def add(self, masked: Masked, *, with_loss: bool) -> None:
        """Count a run that is in the export, or one that has nothing to train."""
        if not with_loss:
            self.without_loss += 1
            return
        status = self.by_status.setdefault(masked.rows[0].status, Counter())
        status["runs"] += 1
        for row in masked.rows:
            status["rows"] += 1
            status["tokens"] += row.n_tokens
            self.longest = max(self.longest, row.n_tokens)
            status["trained"] += row.n_trained
            status["masked"] += row.n_masked
            status["context"] += row.n_tokens - row.n_trained - row.n_masked
            for span in row.spans:
                label = self.by_label.setdefault(span.label or UNLABELED, Counter())
                label["steps"] += 1
                label["trained" if span.trained else "masked"] += span.end - span.start
                status["steps"] += 1
                status["steps_trained"] += span.trained
                if span.trained:
                    self.weights[span.loss_weight] += 1

    @property
    def total(self) -> Counter[str]:
        """`FIGURES` over all outcomes."""
        return sum(self.by_status.values(), Counter())

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, in a fixed order."""

        def figures(counts: Mapping[str, Counter[str]], names: Sequence[str]) -> dict[str, Any]:
            return {key: {name: counts[key][name] for name in names} for key in sorted(counts)}

        return {
            "by_status": figures(self.by_status, FIGURES),
            "by_label": figures(self.by_label, ("steps", "trained", "masked")),
            "refused": dict(sorted(self.refused.items())),
            "without_loss": self.without_loss,
            **({"redacted": dict(sorted(self.redacted.items()))} if self.redacted else {}),
        }


def card(
    form: Format,
    loading: str,
    files: Sequence[DataFile],
    counts: Counts,
    facts: Facts,
    license: str | None,
    report: str | None = None,
) -> str:
    """The card of an export; it links `report`, a file beside it. Text of others (names, models,
    settings) is shown as code."""
    sections = [
        f"# {code(facts.arm)} as {form.name}",
        *_opening(counts, facts, report),
        "## Load it",
        loading,
        "## What is in it",
        *_contents(form, counts),
        "## What is not",
        *_left_out(form, counts, facts),
        "## How it was masked",
        *_masks(facts),
        "## Where it comes from",
        *_provenance(facts),
        "## Licence",
        f"Stated: {code(license)}." if license else "Stated: none.",
        LICENCE,
    ]
    return (
        f"---\n{_front_matter(str(form.name), files, license)}---\n\n"
        + "\n\n".join(sections)
        + "\n"
    )


def _front_matter(form: str, files: Sequence[DataFile], license: str | None) -> str:
    rows = sum(one.rows for one in files)
    data = [{"split": "train", "path": NUMBERED.sub("*", files[0].name)}]
    told = {
        "license": license or "unknown",
        "task_categories": ["text-generation"],
        "tags": [*TAGS, form.partition("-")[0]],
        "size_categories": [next((name for most, name in SIZES if rows < most), MORE)],
        "configs": [{"config_name": "default", "data_files": data}],
    }
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True)


def _opening(counts: Counts, facts: Facts, report: str | None) -> Iterator[str]:
    total = counts.total
    yield (
        "Recorded runs of coding agents for step rejection fine-tuning "
        "([arXiv 2605.10674](https://arxiv.org/abs/2605.10674)): a masked step stays in the "
        f"context and carries no loss. {total['runs']:,} runs, {total['rows']:,} rows, "
        f"{total['tokens']:,} tokens, of which {total['trained']:,} are trained."
    )
    if report:
        yield f"[Outcomes, critics with examples, arms and costs]({report}), as one page."
    if facts.stale:
        yield (
            "**Not in sync:** exported although the platform would make it otherwise now: "
            + "; ".join(
                f"{code(name)} ({code(', '.join(why) or 'waits for its inputs')})"
                for name, why in sorted(facts.stale.items())
            )
            + "."
        )


def _contents(form: Format, counts: Counts) -> Iterator[str]:
    yield "Tokens are counted with the arm's tokenizer. Context is what no step of the model wrote."
    heads = ["outcome", *(name.replace("_", " ") for name in FIGURES)]
    rows: list[list[str | int]] = [
        [code(name), *(row[key] for key in FIGURES)]
        for name, row in sorted(counts.by_status.items())
    ]
    yield table(heads, [*rows, ["all", *(counts.total[name] for name in FIGURES)]])
    labels = [
        (code(name), row["steps"], row["trained"], row["masked"])
        for name, row in sorted(counts.by_label.items())
    ]
    yield table(["label", "steps", "tokens trained", "tokens masked"], labels)
    odd = {weight: steps for weight, steps in counts.weights.items() if weight != 1}
    if odd:
        told = ", ".join(f"{weight:g}: {steps:,} steps" for weight, steps in sorted(odd.items()))
        rounded = "" if form.weights else " They weigh 1 here, as was asked for."
        yield f"Loss weights other than 1, by the arm: {told}.{rounded}"


def _left_out(form: Format, counts: Counts, facts: Facts) -> Iterator[str]:
    unmasked = sum(len(stamp.refused) for stamp in facts.stamps.values())
    rows = [(reason, count) for reason, count in sorted(counts.refused.items())]
    rows += [(form.empty, counts.without_loss)] * bool(counts.without_loss)
    rows += [("could not be masked exactly, or was refused before", unmasked)] * bool(unmasked)
    if rows:
        yield table(["why", "runs"], rows)
    if counts.refused:
        yield "`refused.jsonl` names the runs that this format cannot express."
    if facts.missing:
        yield f"Batches that were never masked: {', '.join(map(code, facts.missing))}."
    if counts.redacted:
        told = ", ".join(f"{count:,} × {kind}" for kind, count in sorted(counts.redacted.items()))
        yield f"Replaced before the runs were masked, the same by the same: {told}."
    if not rows and not facts.missing:
        yield "Every masked run of these batches is in it."


def _masks(facts: Facts) -> Iterator[str]:
    yield fenced(yaml.safe_dump(dict(facts.settings), sort_keys=True, allow_unicode=True), "yaml")
    if facts.differing:
        names = ", ".join(map(code, facts.differing))
        yield f"**Settings differ:** {names} were made with others than these."
    if facts.critic is not None:
        yield from _critic(facts.critic)
    elif not facts.settings.get("gold"):
        yield "No critic: every step of every run in it is trained."


def _critic(critic: CriticFacts) -> Iterator[str]:
    versions = ", ".join(map(code, critic.versions)) or "unknown"
    models = ", ".join(map(code, critic.models))
    asked = f", which asked {models}" if critic.models else ""
    yield f"Critic {code(critic.name)}{asked}; version of prompt, settings and code: {versions}."
    if critic.gold_patch:
        yield LEAK
    elif critic.gold_patch is None:
        yield UNKNOWN_LEAK
    if critic.changed:
        yield f"Its verdicts on {', '.join(map(code, critic.changed))} were made anew since."


def _provenance(facts: Facts) -> Iterator[str]:
    yield f"srft {code(facts.srft)}; tokenizer {code(facts.tokenizer)}."
    yield table(
        ["batch", "data version", "fingerprint"],
        [
            (code(name), code(stamp.data_version), code(stamp.fingerprint))
            for name, stamp in sorted(facts.stamps.items())
        ],
    )
    yield table(
        ["model that wrote the runs", "scaffold", "masked runs"],
        [
            (code(model), code(scaffold), count)
            for (scaffold, model), count in sorted(facts.authors.items())
        ],
    )
    yield "`srft_export.json` has the data versions of all inputs and the SHA-256 of every file."


def code(text: str) -> str:
    """Inline code, on one line, whatever is in the text."""
    plain = visible(" ".join(text.split())).replace("|", "\\|")
    ticks = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{ticks}{pad}{plain}{pad}{ticks}"


def fenced(text: str, language: str) -> str:
    """A block of code that no line of the text ends."""
    plain = "\n".join(visible(line) for line in text.splitlines())
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", plain)), default=0))
    return f"{ticks}{language}\n{plain}\n{ticks}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    """A table; columns of numbers stand to the right."""
    listed = [list(row) for row in rows]
    last = listed[-1] if listed else heads
    rule = ["---:" if isinstance(cell, int) else "---" for cell in last]
    cells = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in listed]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *cells])
