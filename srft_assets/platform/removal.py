"""Taking a batch or a checkpoint away, or renaming a batch: what goes with it, and what stays."""

import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import orjson

from srft_assets.database.read import read_rows
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.instance import open_runs
from srft_assets.processes.locks import partition_turn
from srft_assets.project.settings import settings
from srft_assets.text import some
from srft_assets.trajectories.batches import (
    batch_names,
    family_of,
    manifests,
    read_manifest,
    registering,
)
from srft_assets.trajectories.drafts import default_name
from srft_assets.trajectories.renaming import CALLS, OF_BATCH, VERSIONS, rename
from srft_assets.warehouse.partitions import Warehouse, check_partition_name, matching
from srft_assets.warehouse.stage import Stage

OF_CHECKPOINT = ("checkpoints", "eval_scores", "eval_trajectories")


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes.

    Attributes:
        partitions: asset and partition of each file of the warehouse.
        folders: what lies elsewhere, weights above all.
        batch: whose registration goes, if it is one.
        stays: what is kept of it, in words.
    """

    partitions: tuple[tuple[str, str], ...]
    folders: tuple[Path, ...] = ()
    batch: str | None = None
    stays: tuple[str, ...] = ()


def batch_removal(home: Home, batch: str) -> Removal:
    """What goes with a batch.

    Raises UsageError where nothing of it is there, SrftError while it lies in the inbox, whose
    sensor would register it again.
    """
    check_partition_name(batch)
    found = tuple((asset, batch) for asset in _assets(home, OF_BATCH, batch))
    if not found:
        _check_known(home, batch)
    _refuse_in_inbox(home, batch)
    query = "SELECT critic, count(*) FROM answers WHERE batch = :name GROUP BY critic"
    answers = read_rows(home, query, name=batch)
    stays = [f"paid answers of {critic}, in the ledger: {count:,}" for critic, count in answers]
    query = "SELECT critic, id FROM jobs WHERE batch = :name AND state <> 'read' ORDER BY at"
    for critic, job in read_rows(home, query, name=batch):
        stays.append(f"a batch of {critic} at its provider: srft critic batches --forget {job}")
    for folder in sorted(home.warehouse.glob(f"verdict_versions/*/{batch}")):
        count = len(list(folder.glob("*.parquet")))
        stays.append(
            f"verdicts of {folder.parent.name}, in verdict_versions: {count} of its versions"
        )
    if (home.runs / batch).exists():
        stays.append(f"the runs that were played, in {home.runs / batch}")
    stays += ["its sources", "its partition key in Dagster, without content"]
    return Removal(found, batch=batch, stays=tuple(stays))


def checkpoint_removal(home: Home, name: str) -> Removal:
    """What goes with the checkpoint `ARM/SEED`. Raises UsageError where there is none."""
    arm, _, seed = name.partition("/")
    check_partition_name(arm)
    if not seed:
        seeds = Warehouse(home.warehouse).partitions(f"checkpoints/{arm}")
        there = f"there are: {some(seeds)}" if seeds else f"the arm {arm} has none"
        raise UsageError(f"checkpoint {name!r} names no seed, as {arm}/0 does; {there}")
    check_partition_name(seed)
    found = tuple(
        (asset, seed) for asset in _assets(home, OF_CHECKPOINT, seed) if asset.endswith(f"/{arm}")
    )
    weights = home.artifacts / "checkpoints" / arm / seed
    if not found and not weights.exists():
        raise UsageError(f"no checkpoint {name!r}: srft ls checkpoints")
    folders = (weights,) if weights.exists() else ()
    return Removal(found, folders, stays=(f"masked_tokens/{arm}, from which it can be made again",))


def weights_removal(home: Home, arm: str, best: int) -> Removal:
    """The weights of an arm but those of its `best` seeds by their scores, and what earlier recipes
    and unfinished trainings left of these. Seeds without scores are kept.

    Rows and scores stay, so that comparisons do too. Raises UsageError for an arm without any.
    """
    check_partition_name(arm)
    warehouse = Warehouse(home.warehouse)
    rows = {
        seed: warehouse.read(f"checkpoints/{arm}", seed, columns=["path"])["path"][0]
        for seed in warehouse.partitions(f"checkpoints/{arm}")
    }
    if not rows:
        raise UsageError(f"no checkpoint of an arm {arm!r}: srft ls checkpoints")
    rates = {seed: _rate(warehouse, arm, seed) for seed in rows}
    scored = sorted((-rate, int(seed), seed) for seed, rate in rates.items() if rate is not None)
    spare = {seed for _, _, seed in scored[best:]}
    folder, going = home.artifacts / "checkpoints" / arm, []
    for seed, path in rows.items():
        if seed in spare:
            going += [folder / seed]
        else:
            going += [one for one in (folder / seed).glob("*") if one != home.root / path]
    stays = (
        f"checkpoints/{arm} and eval_scores/{arm}, with all their rows",
        f"weights of {some(sorted(rows.keys() - spare, key=int))}",
    )
    return Removal((), tuple(sorted(path for path in going if path.exists())), stays=stays)


def _rate(warehouse: Warehouse, arm: str, seed: str) -> float | None:
    """Part of the scored attempts that are resolved; None where nothing is scored."""
    if warehouse.stamp(f"eval_scores/{arm}", seed) is None:
        return None
    resolved = warehouse.read(f"eval_scores/{arm}", seed, columns=["resolved"])["resolved"]
    rate = resolved.mean()
    return rate if isinstance(rate, float) else None


def remove(home: Home, what: Removal) -> None:
    """Take it away; killed on the way, the same call goes on.

    Raises SrftError while runs are under way, which might read what goes.
    """
    from srft_assets.database.store import BATCHES, database_of

    _refuse_under_way(home)
    if what.batch is not None:
        with registering(home), database_of(home).write() as connection:
            connection.execute(BATCHES.delete().where(BATCHES.c.name == what.batch))
    warehouse = Warehouse(home.warehouse)
    for asset, partition in what.partitions:
        with partition_turn(home, asset, partition, lambda note: None):
            warehouse.path(asset, partition).unlink(missing_ok=True)
    for folder in what.folders:
        # Whole or not at all under its name, by which the next call knows it.
        aside = folder.rename(folder.with_name(f".{folder.name}.{uuid4().hex}.tmp"))
        shutil.rmtree(aside) if aside.is_dir() else aside.unlink()


def rename_batch(home: Home, old: str, new: str) -> None:
    """Give a batch another name; killed on the way, it has the old one, or the new one.

    Nothing becomes stale and nothing is paid for again, but for what `lost_by_renaming` tells: what
    was made from it names it anew.
    Raises UsageError for a batch that is not there and a name that is not free, SrftError where
    the batch lies in the inbox or was played here, and while runs are under way.
    """
    check_partition_name(new)
    with registering(home):
        check_renaming(home, old, new)
        _refuse_under_way(home)
        rename(home, old, new)


def lost_by_renaming(home: Home, stages: Mapping[str, Stage], old: str, new: str) -> list[str]:
    """What another name of a batch changes, each in words: settings that choose batches by patterns
    which fit one of the names only, and trainings that a kill left unfinished, which begin anew."""
    found, choosing = [], {tuple(settings().relabel.batches): ["relabel.batches"]}
    for stage in stages.values():
        for edge in stage.upstream:
            choosing.setdefault(edge.only, []).append(stage.key)
    for only, makers in choosing.items():
        before, after = (bool(matching([name], only, family_of(home))) for name in (old, new))
        if before != after:
            told = f"take {new}, and did not take {old}" if after else f"take {old} no more"
            found.append(f"patterns of batches ({', '.join(only)}) {told}: {some(makers)}")
    for path in sorted((home.artifacts / "checkpoints").glob("*/*/*.job.json")):
        with suppress(ValueError, KeyError, TypeError):
            batches = {part["batch"] for part in orjson.loads(path.read_bytes())["parts"]}
            if old in batches and path.with_suffix("").with_suffix(".partial").exists():
                arm, seed = path.parts[-3:-1]
                found.append(f"the unfinished training checkpoints/{arm} {seed} begins anew")
    return found


def check_renaming(home: Home, old: str, new: str) -> None:
    """Raise what `rename_batch` would, but for runs that are under way."""
    known = _check_known(home, old)
    left = [
        *_assets(home, (*OF_BATCH, CALLS), new),
        *home.warehouse.glob(f"{VERSIONS}/*/{new}"),
    ]
    if new in known or left:
        told = f"batch {new} is there already" if new in known else f"something of a batch {new} is"
        raise UsageError(f"{told}{'' if new in known else ' left'}: choose another name")
    kind = read_manifest(home, old).kind
    if kind != "files":
        raise SrftError(f"batch {old} was played here ({kind}): its runs are kept under its name")
    _refuse_in_inbox(home, old)


def _check_known(home: Home, batch: str) -> list[str]:
    """All batches. Raises UsageError where this one is not among them."""
    known = batch_names(home)
    if batch not in known:
        raise UsageError(f"no batch {batch!r}; there are: {', '.join(known) or 'none yet'}")
    return known


def _refuse_in_inbox(home: Home, batch: str) -> None:
    if entry := _in_inbox(home, batch):
        raise SrftError(f"move {entry} away first, else the inbox makes batch {batch} again")


def _refuse_under_way(home: Home) -> None:
    """Raise SrftError while runs might read what changes."""
    if running := open_runs(home):
        raise SrftError(f"runs are under way ({len(running)}): wait for them, srft status")


def _in_inbox(home: Home, batch: str) -> Path | None:
    """The entry of the inbox that the batch is read from, if it is still there."""
    inbox = home.inbox.resolve()
    for one in manifests(home):
        if one.batch == batch and one.root is not None:
            for item in one.items:
                path = (Path(one.root) / item.path).resolve()
                if path.is_relative_to(inbox) and path.exists():
                    return home.inbox / path.relative_to(inbox).parts[0]
    if batch in batch_names(home) and batch not in {one.batch for one in manifests(home)}:
        entries = sorted(home.inbox.glob("[!.]*"))  # its manifest is damaged and does not say
        fits = re.compile(rf"{re.escape(batch)}|{re.escape(re.sub('-[0-9]{{3}}$', '', batch))}")
        return next((one for one in entries if fits.fullmatch(default_name([one], [one]))), None)
    return None


def _assets(home: Home, kinds: tuple[str, ...], partition: str) -> list[str]:
    """The assets of these kinds that have the partition."""
    files = (
        path
        for kind in kinds
        for path in sorted((home.warehouse / kind).glob(f"**/{partition}.parquet"))
    )
    return [str(path.parent.relative_to(home.warehouse)) for path in files]
