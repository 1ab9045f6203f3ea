"""One ingest: which files are new, which batch takes them, what its manifest then says."""

from collections.abc import Sequence
from pathlib import Path

from srft_assets.home import Home
from srft_assets.trajectories.batches import runs_config
from srft_assets.trajectories.drafts import Draft, Drafts, names_of
from srft_assets.trajectories.evidence import report_refs, settle, share_reports
from srft_assets.trajectories.family import Family
from srft_assets.trajectories.ingest_plan import IngestPlan, role_counts
from srft_assets.trajectories.manifest import Item, Manifest, RefusedFile, write_manifest
from srft_assets.trajectories.roles import Role, Ruling
from srft_assets.trajectories.scan import scan
from srft_assets.trajectories.scanned import Scanned
from srft_assets.trajectories.walk import Walk, walk
from srft_assets.warehouse.store import check_partition_name


class Registration:
    """One ingest into the batches of one family, under the platform's registration lock."""

    def __init__(self, home: Home, name: str, stated_format: str | None, batch_size: int) -> None:
        self.home = home
        self.family = Family(home, name)
        self.format = self.family.format(stated_format)
        self.drafts = Drafts(self.family.batches, batch_size)
        self.already: dict[str, str] = {}
        self.removed: list[str] = []

    def run(self, paths: Sequence[Path]) -> IngestPlan:
        """Look at the files, place their rows, write the manifests."""
        seen = walk(paths, self.family.root)
        trusted = self.family.trusted(seen)
        new = [file for file in seen.files if file.path not in trusted]
        scans = [scan(file, forced=bool(self.format)) for file in new]
        settled = settle(scans)
        self.family.check_root(seen.root, scans)
        self._place(seen, [one for one, ruling in settled if ruling.role is Role.RUNS], trusted)
        if not self.drafts.all and not (self.already and self._all_known(settled)):
            self.drafts.all.append(Draft())
        refused = [*seen.refused, *(_refused(*pair) for pair in settled if _is_refused(pair))]
        made = self._manifests(seen, settled, refused)
        return self._write(made, settled, refused, len(trusted))

    def _all_known(self, settled: Sequence[tuple[Scanned, Ruling]]) -> bool:
        return all(one.path in self.already for one, ruling in settled if ruling.role is Role.RUNS)

    def _place(self, seen: Walk, runs: Sequence[Scanned], trusted: set[str]) -> None:
        places: dict[str, list[tuple[Draft, Item]]] = {}
        for draft in self.drafts.all:
            for item in draft.old.items if draft.old else ():
                places.setdefault(item.path, []).append((draft, item))
        elsewhere = {
            item.file_blake3: one.batch for one in self.family.others for item in one.items
        }
        here = {one.path for one in runs}
        for path, held in places.items():
            if path in trusted or not seen.covered(path):
                for draft, item in held:
                    self.drafts.keep(draft, item)
            elif path not in here:
                self.removed.append(path)
        rest = []
        for one in runs:
            if one.path in places:
                rest.append((one, self.drafts.renew(one, places[one.path])))
            elif one.blake3 in elsewhere:
                self.already[one.path] = elsewhere[one.blake3]
            else:
                rest.append((one, 0))
        for one, first in rest:
            self.drafts.fill(one, first)

    def _manifests(
        self,
        seen: Walk,
        settled: Sequence[tuple[Scanned, Ruling]],
        refused: Sequence[RefusedFile],
    ) -> list[Manifest]:
        """The manifests as they should be. Refused files are told in the first of them."""
        drafts = self.drafts.all
        reports = self.family.merged(seen, "reports", report_refs(settled))
        predictions = self.family.merged(
            seen, "predictions", [one.ref() for one, r in settled if r.role is Role.PREDICTIONS]
        )
        told = self.family.merged(seen, "refused", list(refused))
        shared = share_reports(reports, drafts)
        numbers = iter(range(self.family.next_number, self.family.next_number + len(drafts)))
        return [
            Manifest(
                batch=check_partition_name(name),
                family=self.family.name,
                registered=draft.old.registered if draft.old else next(numbers),
                root=str(seen.root),
                format=self.format,
                items=tuple(sorted(draft.items, key=lambda item: (item.path, item.first_row))),
                reports=tuple(shared[index]),
                predictions=tuple(predictions),
                refused=tuple(told) if index == 0 else (),
            )
            for index, (name, draft) in enumerate(
                zip(names_of(drafts, self.family.name), drafts, strict=True)
            )
        ]

    def _write(
        self,
        made: Sequence[Manifest],
        settled: Sequence[tuple[Scanned, Ruling]],
        refused: Sequence[RefusedFile],
        trusted: int,
    ) -> IngestPlan:
        self.family.check_names(made)
        before = {one.batch: runs_config(one) for one in self.family.batches}
        states: dict[str, list[str]] = {"new": [], "changed": [], "unchanged": []}
        for one in made:
            write_manifest(self.home, one)
            if one.batch not in before:
                states["new"].append(one.batch)
            else:
                same = before[one.batch] == runs_config(one)
                states["unchanged" if same else "changed"].append(one.batch)
        batches = {one.batch for one in made} | set(self.already.values())
        return IngestPlan(
            batches=tuple(sorted(batches)),
            new=tuple(states["new"]),
            changed=tuple(states["changed"]),
            unchanged=tuple(states["unchanged"]),
            rows=sum(one.rows for one in made),
            roles=role_counts(settled, self.already, len(refused), trusted),
            refusals=tuple(one.refusal() for one in refused),
            already=self.already,
            removed=tuple(sorted(self.removed)),
        )


def _is_refused(pair: tuple[Scanned, Ruling]) -> bool:
    return pair[1].role is Role.REFUSED


def _refused(seen: Scanned, ruling: Ruling) -> RefusedFile:
    return RefusedFile(path=seen.path, reason=ruling.reason, excerpt=seen.excerpt)
