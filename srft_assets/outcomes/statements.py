"""What the reports and predictions of a batch state of its runs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from srft_assets.errors import Refusal
from srft_assets.outcomes.matching import Matched, differ, is_below, match
from srft_assets.outcomes.reports import Prediction, parse_report, read_predictions
from srft_assets.outcomes.status import OTHERS, ReportedOutcome, Run, runs_elsewhere
from srft_assets.trajectories.batches import Manifest, ReportRef
from srft_assets.trajectories.sources import SourceChangedError, read_verified


def reported_outcomes(manifest: Manifest, runs: Sequence[Run], rest: Sequence[Run] = ()) -> Matched:
    """What the batch's reports and predictions say of its runs.

    `rest`: runs of the batch whose outcome is known already. A report may be of them, as of runs in
    other batches, but of none that crashed without a patch. Raises SourceChangedError where one is
    gone or is not the one that was ingested.
    """
    if manifest.kind != "files" or not (manifest.reports or manifest.predictions):
        return Matched()
    others = [*runs_elsewhere(manifest), *rest]
    told = _Statements(runs, [run for run in others if not (run.crashed and run.blank)])
    lost: list[str] = []
    for ref in (*manifest.reports, *manifest.predictions):
        root = Path(ref.root) if ref.root else manifest.folder()
        try:
            data = read_verified(root, ref)
            beside = {
                file.path.rpartition("/")[2]: read_verified(root, file).decode("utf-8", "replace")
                for file in ref.evidence
            }
        except SourceChangedError as error:
            again = f"srft ingest {root} --batch {manifest.family}"
            lost.append(f"({error}); the partition stays as it is. Run: {again}")
            continue
        told.add(ref, data, beside, predicted=ref in manifest.predictions)
    if lost:
        raise SourceChangedError(
            f"batch {manifest.batch}: {len(lost)} reports are not as they were ingested {lost[0]}"
        )
    return told.matched()


class _Statements:
    """What reports and predictions state, before it is known of whom."""

    def __init__(self, runs: Sequence[Run], others: Sequence[Run]) -> None:
        self._runs, self._others = runs, others
        self._of: dict[str, list[Run]] = defaultdict(list)
        for run in (*runs, *others):
            self._of[run.instance_id].append(run)
        self._outcomes: list[ReportedOutcome] = []
        self._refused: list[Refusal] = []
        self._refs: dict[str, ReportRef] = {}
        self._predictions: dict[str, list[tuple[ReportRef, Prediction]]] = defaultdict(list)

    def add(self, ref: ReportRef, data: bytes, beside: Mapping[str, str], predicted: bool) -> None:
        """Read one file; `beside`: file name → text of what the grader left beside it."""
        source = str(Path(ref.root) / ref.path) if ref.root else ref.path
        self._refs[source] = ref
        if predicted:
            for one in read_predictions(data):
                self._predictions[one.instance_id].append((ref, one))
        for item in parse_report(data, source, beside):
            if isinstance(item, Refusal):
                self._refused.append(item)
            else:
                self._outcomes.append(item)

    def matched(self) -> Matched:
        """The outcome of each run that something was said of."""
        runs = [self._with_prediction(run) for run in self._runs]
        outcomes = [self._predicted(one) for one in self._outcomes]
        general = [one for one in outcomes if one.instance_id == OTHERS]
        listed = [one for one in outcomes if one.instance_id != OTHERS]
        spread = [each for one in general for each in self._spread(one, listed, runs)]
        others = [self._with_prediction(run) for run in self._others]
        found = match(runs, [*listed, *spread], self._refs, others)
        found.refused[:0] = self._refused
        found.without_patch = {
            run.trajectory_id
            for run, stated in zip(runs, self._runs, strict=True)
            if run.blank and not stated.blank
        }
        return found

    def _with_prediction(self, run: Run) -> Run:
        """The run, of which predictions beside it say that there is no patch."""
        if run.submission is not None:
            return run
        patches = {
            prediction.patch.strip()
            for ref, prediction in self._predictions.get(run.instance_id, ())
            if not ref.root
            and is_below(run, scope := ref.scope or "")
            and sum(is_below(one, scope) for one in self._of[run.instance_id]) == 1
            and not differ(run.model, prediction.model)
        }
        return replace(run, submission="") if patches == {""} else run

    def _near(self, outcome: ReportedOutcome, instance_id: str) -> list[Prediction]:
        """The predictions of an instance that were made of the same runs as a report."""
        ref = self._refs[outcome.source]
        return [
            prediction
            for other, prediction in self._predictions.get(instance_id, ())
            if (other.root, other.scope) == (ref.root, ref.scope)
        ]

    def _predicted(self, outcome: ReportedOutcome) -> ReportedOutcome:
        """The outcome with the patch that was graded, where only the predictions state it."""
        if outcome.patch is not None:
            return outcome
        found = {
            (prediction.patch, prediction.model)
            for prediction in self._near(outcome, outcome.instance_id)
            if not differ(outcome.model, prediction.model)
        }
        if len(found) != 1:
            return outcome
        patch, model = found.pop()
        return replace(outcome, patch=patch, model=outcome.model or model)

    def _spread(
        self, outcome: ReportedOutcome, listed: Sequence[ReportedOutcome], runs: Sequence[Run]
    ) -> list[ReportedOutcome]:
        """A statement on all others of a report, for each of them that has a run here."""
        known = {one.instance_id for one in listed if one.source == outcome.source}
        submitted = {run.instance_id for run in runs}
        near = {name: self._near(outcome, name) for name in self._predictions}
        if any(near.values()):
            patched = [name for name, made in near.items() if any(p.patch.strip() for p in made)]
            if outcome.patches not in (None, len(patched)):
                return []
            submitted &= {name for name, made in near.items() if made}
        named = [replace(outcome, instance_id=name) for name in sorted(submitted - known)]
        return [self._predicted(one) for one in named]
