"""Where an export comes from, and whether that is what the platform would make now."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from srft_assets.errors import SrftError, UsageError
from srft_assets.exports.source import Part
from srft_assets.home import Home
from srft_assets.text import some
from srft_assets.warehouse.partitions import ONLY, Stamp, Warehouse
from srft_assets.warehouse.plan import Item, State, make_plan
from srft_assets.warehouse.stage import Stage, with_upstream

LEAK = "sees_gold_patch"
PREFIX = "masked_tokens/"


@dataclass(frozen=True, slots=True)
class CriticFacts:
    """Whose verdicts masked the steps.

    Attributes:
        versions: of prompt, settings and code, as the verdicts name them.
        models: that answered; empty for a critic that asks none.
        gold_patch: whether it saw the reference solution; None where that is not known of all
            its versions.
        changed: batches whose verdicts were made anew after the masks.
    """

    name: str
    versions: tuple[str, ...]
    models: tuple[str, ...]
    gold_patch: bool | None
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Provenance of an export.

    Attributes:
        stamps: batch → stamp of its `masked_tokens` partition.
        settings: of the arm, as the partitions bear them; the first batch's, see `differing`.
        differing: batches made with other settings.
        authors: scaffold and model, as the runs state them → runs.
        stale: batch → why it is not in sync; exported all the same because it was asked for.
        missing: batches that were never masked and are left out, because it was asked for.
    """

    arm: str
    stamps: Mapping[str, Stamp]
    settings: Mapping[str, Any]
    differing: tuple[str, ...]
    tokenizer: str
    critic: CriticFacts | None
    authors: Mapping[tuple[str, str], int] = field(default_factory=dict)
    stale: Mapping[str, Sequence[str]] = field(default_factory=dict)
    missing: Sequence[str] = ()
    srft: str = field(default_factory=lambda: version("srft-assets"))

    def with_names(self, of: Callable[[str], str]) -> "Facts":
        """The same, its batches called as `of` says."""

        def named(stamp: Stamp) -> Stamp:
            places = (key.rpartition("/") for key in stamp.recipe.inputs)
            kept = zip(places, stamp.recipe.inputs.values(), strict=True)
            inputs = {f"{asset}{mark}{of(name)}": found for (asset, mark, name), found in kept}
            return replace(stamp, recipe=replace(stamp.recipe, inputs=inputs))

        critic = self.critic
        return replace(
            self,
            stamps={of(name): named(stamp) for name, stamp in self.stamps.items()},
            differing=tuple(map(of, self.differing)),
            critic=critic and replace(critic, changed=tuple(map(of, critic.changed))),
            stale={
                of(name): [line.replace(name, of(name)) for line in why]
                for name, why in self.stale.items()
            },
            missing=[*map(of, self.missing)],
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; nothing in it tells a time or a place of this machine."""
        batches = {
            name: {
                "rows": stamp.rows,
                "data_version": stamp.data_version,
                "fingerprint": stamp.fingerprint,
                "inputs": dict(sorted(stamp.recipe.inputs.items())),
                "refused": len(stamp.refused),
            }
            for name, stamp in sorted(self.stamps.items())
        }
        return {
            "srft": self.srft,
            "arm": self.arm,
            "settings": dict(self.settings),
            "tokenizer": self.tokenizer,
            "runs": [
                {"scaffold": scaffold, "model": model, "runs": count}
                for (scaffold, model), count in sorted(self.authors.items())
            ],
            "batches": batches,
            "stale": {name: list(why) for name, why in sorted(self.stale.items())},
            "missing": list(self.missing),
        }


def facts_of(
    warehouse: Warehouse,
    arm: str,
    parts: Sequence[Part],
    stale: Mapping[str, Sequence[str]],
    missing: Sequence[str],
) -> Facts:
    """What the stamps of the partitions and of their inputs say."""
    stamps = {part.batch: part.stamp for part in parts}
    settings = {name: _settings(stamp) for name, stamp in stamps.items()}
    first = next(iter(settings.values()))
    differing = tuple(name for name, found in settings.items() if found != first)
    tokenizers = sorted({_tokenizer(stamp) for stamp in stamps.values()})
    critic = first.get("critic")
    return Facts(
        arm=arm,
        stamps=stamps,
        settings=first,
        differing=differing,
        tokenizer=", ".join(tokenizers),
        critic=None if critic is None else _critic(warehouse, str(critic), stamps),
        authors=_authors(warehouse, arm, stamps),
        stale=stale,
        missing=missing,
    )


def _authors(warehouse: Warehouse, arm: str, batches: Iterable[str]) -> Counter[tuple[str, str]]:
    """Who wrote the masked runs; a batch whose runs are gone says nothing."""
    counts: Counter[tuple[str, str]] = Counter()
    for batch in batches:
        if warehouse.stamp("trajectories", batch) is None:
            continue
        masked = warehouse.read(f"masked_tokens/{arm}", batch, columns=["trajectory_id"])
        runs = warehouse.read("trajectories", batch, ["trajectory_id", "scaffold", "model"])
        theirs = runs.filter(runs["trajectory_id"].is_in(masked["trajectory_id"].implode()))
        pairs = theirs.select("scaffold", "model").fill_null("unknown").iter_rows()
        counts.update((scaffold, model) for scaffold, model in pairs)
    return counts


def _settings(stamp: Stamp) -> dict[str, Any]:
    """The arm's settings; of a model in a folder of this machine only the folder's name."""
    settings = dict(stamp.recipe.config)
    settings.pop("tokenizer", None)
    model = Path(str(settings.get("model", "")))
    return settings | ({"model": model.name} if model.is_absolute() else {})


def _tokenizer(stamp: Stamp) -> str:
    """Fingerprint of the tokenizer's files, or of the base model asset that holds them."""
    asset = f"base_models/{stamp.recipe.config.get('model')}/{ONLY}"
    stated = stamp.recipe.config.get("tokenizer") or stamp.recipe.inputs.get(asset, "unknown")
    text = str(stated)
    return f"hub:{Path(text).name}" if text.startswith("hub:/") else text


def _critic(warehouse: Warehouse, name: str, stamps: Mapping[str, Stamp]) -> CriticFacts:
    asset = f"step_verdicts/{name}"
    versions: set[str] = set()
    changed = []
    for batch, masked in stamps.items():
        stamp = warehouse.stamp(asset, batch)
        if stamp is None or stamp.data_version != masked.recipe.inputs.get(f"{asset}/{batch}"):
            changed.append(batch)
        if stamp is not None:
            found = warehouse.read(asset, batch, columns=["version"])["version"]
            versions |= set(found.drop_nulls().to_list())
    prompts = list(_prompts(warehouse, name, versions))
    known = {row["version"] for row in prompts}
    leak: bool | None = any(row[LEAK] for row in prompts)
    if not leak and prompts and (versions - known or changed):
        leak = None
    models = tuple(sorted({row["model"] for row in prompts}))
    return CriticFacts(name, tuple(sorted(versions)), models, leak, tuple(changed))


def _prompts(warehouse: Warehouse, name: str, versions: set[str]) -> list[dict[str, Any]]:
    """The critic's prompts of these versions, of now and of before; all that are known where the
    verdicts name none of them. Empty for a critic that has none."""
    if warehouse.stamp(f"critic_prompt/{name}") is None:
        return []
    now = [(f"critic_prompt/{name}", ONLY)]
    kept = f"critic_versions/{name}/{ONLY}"
    paths = now + [(kept, partition) for partition in warehouse.partitions(kept)]
    rows = [
        warehouse.read(*path, columns=["version", "model", LEAK]).row(0, named=True)
        for path in paths
    ]
    return [row for row in rows if row["version"] in versions] or rows


def check_sync(
    stages: Mapping[str, Stage], home: Home, arm: str, batches: Sequence[str], *, stale_ok: bool
) -> dict[str, Item]:
    """Batch → its item of the plan, for those that are not in sync.

    Raises UsageError for an arm that does not exist, SrftError where a batch is not in sync and
    that was not allowed, or where none was ever masked.
    """
    asset = f"{PREFIX}{arm}"
    if asset not in stages:
        known = sorted(key.removeprefix(PREFIX) for key in stages if key.startswith(PREFIX))
        raise UsageError(f"no arm {arm!r}; there are: {', '.join(known)}")
    warehouse = Warehouse(home.warehouse)
    plan = make_plan(with_upstream(stages, [asset]), home, warehouse, lambda kind: batches)
    out = {
        item.partition: item
        for item in plan
        if item.asset == asset and item.state is not State.IN_SYNC
    }
    missing = [name for name in batches if warehouse.stamp(asset, name) is None]
    if len(missing) == len(batches):
        raise SrftError(f"{asset} was never made for {some(missing)}: srft apply {asset}")
    if out and not stale_ok:
        told = "; ".join(f"{name} is {_state(item, missing)}" for name, item in out.items())
        raise SrftError(f"{asset} is not in sync ({told}): srft apply {asset}, or --stale-ok")
    return out


def _state(item: Item, missing: Sequence[str]) -> str:
    if item.partition in missing:
        return "missing"
    return f"{item.state}{': ' if item.why else ''}{', '.join(item.why[:2])}"
