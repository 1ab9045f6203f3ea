"""`srft push`: what `srft merge` and `srft export` wrote, to the Hugging Face Hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from srft_assets.cli.console import put, quoted, say
from srft_assets.errors import UsageError
from srft_assets.hub import Kind, check_repository
from srft_assets.hub import push as upload

push = typer.Typer(
    help="Upload a folder that srft merge or srft export wrote to the Hugging Face Hub.",
    no_args_is_help=True,
)

CARD = "README.md"
WEIGHTS, ADAPTER = "config.json", "adapter_config.json"

Folder = Annotated[Path, typer.Argument(help="The folder that was written.")]
Repository = Annotated[str, typer.Argument(help="Where on the Hub.", metavar="OWNER/NAME")]
Public = Annotated[bool, typer.Option("--public", help="Make a new repository public.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Name what it would push, and push nothing.")
]


@push.command()
def checkpoint(
    folder: Folder, repository: Repository, public: Public = False, dry_run: DryRun = False
) -> None:
    """Push full weights, as `srft merge` writes them."""
    files = _written(folder, WEIGHTS, "srft merge ARM --out FOLDER")
    _push(folder, repository, "model", files, public, dry_run)


@push.command()
def adapter(
    folder: Folder, repository: Repository, public: Public = False, dry_run: DryRun = False
) -> None:
    """Push a LoRA adapter, as `srft merge --adapter` writes it."""
    files = _written(folder, ADAPTER, "srft merge ARM --adapter --out FOLDER")
    _push(folder, repository, "model", files, public, dry_run)


@push.command()
def dataset(
    folder: Folder, repository: Repository, public: Public = False, dry_run: DryRun = False
) -> None:
    """Push an export, as `srft export` writes it."""
    from srft_assets.exports.writer import MANIFEST, REPLACED, check_replaceable

    files = _written(folder, MANIFEST, "srft export --arm ARM --format FORMAT --out FOLDER")
    check_replaceable(folder)
    _push(folder, repository, "dataset", files, public, dry_run, REPLACED)


def _written(folder: Path, mark: str, by: str) -> list[str]:
    """Its files, sorted; raises UsageError where they are not what the command `by` writes."""
    from srft_assets.training.model import LOCAL

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: {by} writes one")
    found = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    files = [path.as_posix() for path in found]
    if lacking := [name for name in (mark, CARD) if name not in files]:
        raise UsageError(f"{folder} has no {lacking[0]}: {by} writes such a folder")
    if mark != ADAPTER and ADAPTER in files:
        raise UsageError(f"{folder} holds an adapter: srft push adapter, or merge it")
    if local := [name for name in files if name in LOCAL or name.startswith(".") or "/." in name]:
        raise UsageError(f"{folder} holds {local[0]}, which is of this machine: {by} leaves it out")
    return files


def _allowed(folder: Path) -> list[str]:
    """What an export says that it was allowed to hold."""
    from srft_assets.exports.writer import MANIFEST

    path = folder / MANIFEST
    return list(orjson.loads(path.read_bytes()).get("allowed", ())) if path.exists() else []


def _push(
    folder: Path,
    repository: str,
    kind: Kind,
    files: list[str],
    public: bool,
    dry_run: bool,
    replaced: Sequence[str] = (),
) -> None:
    console = Console()
    check_repository(repository)
    sizes = {name: (folder / name).stat().st_size for name in files}
    seen = "public if it is new" if public else "private if it is new"
    say(console, quoted(f"{kind} {repository} ({seen}):"))
    for name, size in sizes.items():
        say(console, quoted(f"  {name}, {size:,} bytes"))
    put(repository=repository, kind=kind, files=sizes)
    with console.status("looking for keys and addresses"):
        from srft_assets.exports.guard import check_files

        check_files(folder, files, _allowed(folder))
    if dry_run:
        return
    with console.status(f"uploading to {quoted(repository)}"):
        url = upload(folder, repository, kind, files, public=public, replaced=replaced)
    put(url=url)
    say(console, f"pushed to {quoted(url)}")
