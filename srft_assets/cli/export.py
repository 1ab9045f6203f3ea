"""`srft export` and `srft merge`: masked tokens and a checkpoint, to take elsewhere."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from srft_assets.cli.console import quoted, say
from srft_assets.cli.platform import Batches, chosen_seeds, needed_batches
from srft_assets.cli.progress import progress
from srft_assets.errors import SrftError, UsageError
from srft_assets.exports import Allowed, FormatName
from srft_assets.home import current_home
from srft_assets.text import visible

if TYPE_CHECKING:
    from srft_assets.exports.export import Exported

ALL = "all"
UNITS = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}
REPORT_TITLE = "<title>srft report</title>"
LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")


def export(
    arm: Annotated[str, typer.Option(help="The arm whose masked tokens are exported.")],
    format_: Annotated[
        list[str],
        typer.Option(
            "--format",
            help=f"Whose data set to write: {', '.join(FormatName)}. Several, or `all`, go into "
            "folders of their names.",
            metavar="FORMAT",
            autocompletion=lambda: [*FormatName, ALL],
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write; an earlier export is replaced.")],
    batch: Batches = None,
    license_: Annotated[
        str | None,
        typer.Option("--license", help="Licence on the card, as the Hub names it: apache-2.0, …"),
    ] = None,
    max_shard_size: Annotated[
        str, typer.Option(help="Most that a data file holds, about: 200MB, 2GB.")
    ] = "200MB",
    push_to_hub: Annotated[
        str | None, typer.Option(help="Upload to this data set too, private.", metavar="OWNER/NAME")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Make a new data set public.")] = False,
    stale_ok: Annotated[
        bool, typer.Option("--stale-ok", help="Export what is not in sync; the card says so.")
    ] = False,
    round_weights: Annotated[
        bool,
        typer.Option(
            "--round-weights", help="Let steps weigh 1 where the format has no loss weights."
        ),
    ] = False,
    mistake_weight: Annotated[
        float | None,
        typer.Option(help="Loss weight of masked mistakes, below 0: -0.1. `tinker` takes it."),
    ] = None,
    redact: Annotated[
        bool,
        typer.Option(
            "--redact", help="Replace keys, tokens, e-mail addresses and home folders in the runs."
        ),
    ] = False,
    allow: Annotated[
        list[Allowed] | None,
        typer.Option("--allow", help="Leave these in, instead of refusing to export them."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="What `srft report` wrote: goes along, and the card links it."),
    ] = None,
) -> None:
    """Write an arm's masked tokens for a trainer, with a data set card."""
    from srft_assets.exports.writer import REPLACED
    from srft_assets.hub import check_repository, push

    console, home = Console(), current_home()
    forms = formats_of(format_)
    if push_to_hub is not None:
        if len(forms) > 1:
            raise UsageError("--push-to-hub takes one --format: a data set holds one")
        check_repository(push_to_hub)
    size, licence, page = size_of(max_shard_size), license_of(license_), report_of(report)
    batches = needed_batches(home, batch)
    with console.status("loading the platform"):
        from srft_assets.exports.export import Request, check_mistake_weight
        from srft_assets.exports.export import export as write
        from srft_assets.exports.known import remember
        from srft_assets.platform.stages import load_stages

        stages = load_stages()
    for form in forms:
        check_mistake_weight(form, mistake_weight)
    top = Path(out.expanduser().absolute())
    empty = []
    for form in forms:
        folder = top / form if len(forms) > 1 else top
        asked = (size, licence, stale_ok, round_weights, mistake_weight)
        secrets = (redact, [one.value for one in allow or ()])
        request = Request(arm, batches, form, folder, *asked, *secrets, page)
        with progress(console) as told_to:
            done = write(request, home, stages, told_to)
        remember(home, folder, arm)
        for line in told(done):
            say(console, line)
        if not done.counts.total["rows"]:
            empty.append(form)
    if empty and (ALL not in format_ or len(empty) == len(forms)):
        raise SrftError(f"{', '.join(empty)} has no row of these runs, for the reason above")
    if push_to_hub is not None:
        from srft_assets.exports.guard import check_files

        files = [path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()]
        check_files(top, files, request.allowed)
        with console.status(f"uploading to {push_to_hub}"):
            url = push(top, push_to_hub, "dataset", public=public, replaced=REPLACED)
        say(console, f"pushed to {quoted(url)}")


def formats_of(names: list[str]) -> list[FormatName]:
    """The formats that are named, each once. Raises UsageError for a name that is none."""
    known = [*FormatName, ALL]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"no format {unknown[0]!r}; there are: {', '.join(known)}")
    return [*FormatName] if ALL in names else [*map(FormatName, dict.fromkeys(names))]


def report_of(file: Path | None) -> str | None:
    """The text of a report. Raises UsageError for what is none."""
    try:
        text = None if file is None else file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    if text is not None and REPORT_TITLE not in text[:2_000]:
        raise UsageError(f"{file} is no report: srft report --out FILE writes one")
    return text


def told(done: "Exported") -> list[str]:
    """What a user is told of an export."""
    counts, total = done.counts, done.counts.total
    share = total["trained"] / total["tokens"] if total["tokens"] else 0.0
    lines = [
        f"{total['runs']:,} runs, {total['rows']:,} rows: {total['tokens']:,} tokens, "
        f"{total['trained']:,} trained ({share:.1%}), {total['masked']:,} masked, "
        f"{total['context']:,} context"
    ]
    for reason, count in sorted(counts.refused.items()):
        lines.append(f"[yellow]refused[/] {count:,} runs: {quoted(reason)}")
    for kind, count in sorted(counts.redacted.items()):
        lines.append(f"replaced {count:,} × {kind}")
    if counts.without_loss:
        lines.append(f"left out {counts.without_loss:,} runs: {done.form.empty}")
    for name in sorted(done.facts.stale):
        lines.append(f"[yellow]not in sync[/] {name}; the card says so")
    if done.facts.missing:
        lines.append(f"[yellow]never masked[/] {', '.join(done.facts.missing)}")
    size = sum(one.bytes for one in done.files)
    files = f"{len(done.files)} data file{'s' * (len(done.files) != 1)}"
    lines.append(f"wrote {quoted(str(done.folder))}: {files}, {size / 1e6:,.1f} MB")
    if not total["rows"]:
        return lines
    lines.append("README.md there is its card. To load it:")
    code = done.loading.split("```")[1].partition("\n")[2].rstrip()
    code = code.replace("FOLDER", str(done.folder))
    return lines + [f"    {escape(visible(line))}" for line in code.splitlines()]


def size_of(text: str) -> int:
    """Bytes of `200MB`, `1.5 GB`, `100000`. Raises UsageError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?)B?\s*", text, re.IGNORECASE)
    size = int(float(found[1]) * UNITS[found[2].upper()]) if found else 0
    if size <= 0:
        raise UsageError(f"bad size {text!r}: write 200MB or 2GB")
    return size


def license_of(text: str | None) -> str | None:
    """The name of a licence. Raises UsageError for what the Hub's card cannot hold."""
    if text is not None and not LICENSE.fullmatch(text):
        raise UsageError(f"bad licence {text!r}: write its name on the Hub, as apache-2.0 or other")
    return text


def merge(
    arm: Annotated[str, typer.Argument(help="The arm whose checkpoint is written.")],
    out: Annotated[Path, typer.Option(help="Folder to write; it must be new.")],
    seed: Annotated[str, typer.Option(help="Which of its checkpoints, 0 to 9.")] = "0",
    base: Annotated[
        str | None,
        typer.Option(help="Base model to merge into, where the one trained on is elsewhere."),
    ] = None,
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Write the LoRA adapter alone, unmerged.")
    ] = False,
) -> None:
    """Write a checkpoint as full weights, a LoRA adapter merged into its base model."""
    from srft_assets.processes.child import quiet

    quiet()
    from srft_assets.training.model import find_trained, write_adapter, write_merged

    home, console = current_home(), Console()
    (seed,) = chosen_seeds(home, [seed])
    trained = find_trained(home, arm, seed)
    with console.status(f"merging {quoted(arm)}"):
        if adapter:
            write_adapter(trained, out)
        else:
            write_merged(trained, out, base)
    say(console, f"{quoted(str(out))}: {'adapter' if adapter else 'full weights'}, with its card")
