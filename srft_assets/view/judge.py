"""Judging steps: which are asked about, what was said of them, and how good each critic is by it.

A label goes into its gold set the moment it is given, as `srft review import` puts it there;
nothing is kept here but queues that were drawn.
"""

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import polars as pl

from srft_assets.critic.agreement import set_rows
from srft_assets.critic.gold.annotations import set_label
from srft_assets.critic.gold.labels import (
    GoldLabel,
    check_set_name,
    gold_frame,
    parse_label,
    read_sets,
    unfit,
)
from srft_assets.critic.gold.queue import Candidate, chosen_steps
from srft_assets.critic.scores import RESAMPLES, SEED
from srft_assets.errors import UsageError
from srft_assets.view.index import LETTERS, WORDS, Index
from srft_assets.view.runs import frame_of_labels

ALL_STEPS = 300_000
"""Where all batches hold more, the latest alone is drawn from, unless one is named."""
NAME_CHARS = 60


@dataclass(frozen=True, slots=True)
class Session:
    """What the address of the page says of whoever judges.

    Attributes:
        who: the annotator; empty before somebody said so.
        set: the gold set that labels go into.
        critic, other: as of `srft review export`; steps on which both differ come first.
        batch: the only one to draw from; empty for all.
        run: all steps of this run, in place of a drawn queue.
        blind: "1" where nobody sees what critics said.
    """

    who: str = ""
    set: str = "people"
    critic: str = ""
    other: str = ""
    batch: str = ""
    size: str = "50"
    seed: str = "0"
    run: str = ""
    blind: str = "1"

    @staticmethod
    def of(asked: Mapping[str, str]) -> "Session":
        """From the parameters of a request. Raises UsageError for a bad name of set or person."""
        known = {one.name for one in fields(Session)}
        found = Session(**{name: value.strip() for name, value in asked.items() if name in known})
        check_set_name(found.set)
        if len(found.who) > NAME_CHARS or not found.who.isprintable():
            raise UsageError(f"a name has at most {NAME_CHARS} characters, all printable")
        return found

    def query(self, **changed: object) -> str:
        """As parameters of an address, with some changed."""
        return urlencode({**asdict(self), **{name: str(value) for name, value in changed.items()}})


@dataclass(frozen=True, slots=True)
class Asked:
    """One step of a queue."""

    run: str
    step: int
    differs: bool = False


class Queues:
    """Queues that were drawn: the same while the verdicts are."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._lock = threading.Lock()
        self._drawn: dict[Session, tuple[tuple[pl.DataFrame, ...], list[Asked]]] = {}

    def of(self, session: Session) -> list[Asked]:
        """The steps that the session asks about. Raises UsageError where there are none."""
        index = self.index
        if session.run:
            steps = index.runs().filter(trajectory_id=session.run)["n_steps"]
            return [Asked(session.run, n) for n in range(steps[0] if steps.len() else 0)]
        judges = [one for one in (session.critic, session.other) if one]
        read_from = (index.runs(), *map(index.labels, judges))
        key = Session(**{**asdict(session), "who": "", "blind": "", "set": "people"})
        with self._lock:
            drawn = self._drawn.get(key)
            if drawn is None or any(a is not b for a, b in zip(drawn[0], read_from, strict=True)):
                drawn = read_from, self._draw(session)
                self._drawn[key] = drawn
            return drawn[1]

    def _draw(self, session: Session) -> list[Asked]:
        for judge in (session.critic, session.other):
            if judge and judge not in self.index.critics():
                raise UsageError(f"a queue is drawn from a critic's own labels, not from {judge!r}")
        chosen: list[Candidate] = chosen_steps(
            self.index.warehouse,
            [session.batch] if session.batch else self._batches(),
            session.critic or None,
            size=_natural("size", session.size),
            seed=_natural("seed", session.seed),
            other=session.other or None,
        )
        return [Asked(one.trajectory_id, one.step_index, one.differs) for one in chosen]

    def _batches(self) -> list[str]:
        runs = self.index.runs()
        names = runs["batch"].unique().sort().to_list()
        return names if runs["n_steps"].sum() <= ALL_STEPS else names[-1:]


def _natural(name: str, stated: str) -> int:
    if not stated.isdecimal() or len(stated) > 6:
        raise UsageError(f"{name} is a number, not {stated!r}")
    return int(stated)


def labels_of(index: Index, session: Session) -> dict[tuple[str, int], GoldLabel]:
    """Run and step → what the session's annotator said in its set."""
    given = read_sets(index.home).get(session.set, [])
    return {
        (one.trajectory_id, one.step_index): one for one in given if one.annotator == session.who
    }


def first_left(queue: list[Asked], own: Mapping[tuple[str, int], GoldLabel]) -> int:
    """Place of the first step that the annotator has not labelled; 0 where none is left."""
    left = (place for place, one in enumerate(queue) if (one.run, one.step) not in own)
    return next(left, 0)


def own_letters(said: Mapping[int, GoldLabel], count: int) -> str:
    """One letter a step; `-` where the annotator could not tell, a blank where nothing was said."""
    return "".join(
        " " if n not in said else LETTERS[said[n].label or "unlabeled"] for n in range(count)
    )


def progress(index: Index, session: Session, queue: list[Asked]) -> dict[str, Any]:
    """How many steps of the queue the annotator labelled, and F1 of mistakes of each critic against
    the whole set so far, with the interval of `critic_scores`."""
    given = read_sets(index.home).get(session.set, [])
    own = {(one.trajectory_id, one.step_index) for one in given if one.annotator == session.who}
    gold = gold_frame(session.set, given)
    return {
        "done": sum((one.run, one.step) in own for one in queue),
        "asked": len(queue),
        "labels": sum(one.label is not None for one in given),
        "annotators": len({one.annotator for one in given}),
        "scores": [
            {"critic": critic, **score}
            for critic in index.critics()
            if (score := _score(index, critic, gold)) is not None
        ],
    }


def _score(index: Index, critic: str, gold: pl.DataFrame) -> dict[str, Any] | None:
    """None where nothing can be compared yet."""
    judged = index.labels(critic).join(gold, on="trajectory_id", how="semi")
    if judged.is_empty():
        return None
    words = pl.col("letter").replace_strict(WORDS, return_dtype=pl.String).alias("label")
    steps = frame_of_labels(judged).with_columns(words, pl.col("step_index").cast(pl.Int32))
    rows = set_rows(gold, steps.select("trajectory_id", "step_index", "label"), RESAMPLES, SEED)
    found = next(row for row in rows if (row["question"], row["target"]) == ("label", "mistake"))
    return {name: found[name] for name in ("f1", "f1_low", "f1_high", "steps", "support")}


@dataclass(frozen=True, slots=True)
class Change:
    """One label as a page sends it: what the annotator says now, and what stood there before.

    Both are None for no label, else `label` (None: cannot tell) and `note`.
    """

    session: Session
    now: GoldLabel | None
    before: GoldLabel | None
    key: GoldLabel

    @staticmethod
    def of(sent: Any) -> "Change":
        """From JSON. Raises UsageError with what is wrong."""
        if not isinstance(sent, dict):
            raise UsageError("expected an object")
        session = Session.of({k: v for k, v in sent.items() if isinstance(v, str)})
        step = {"trajectory_id": sent.get("at_run"), "step_index": sent.get("at_step")}
        key = _label(session, step, {"label": None, "note": ""})
        now, before = (
            None if sent.get(side) is None else _label(session, step, sent[side])
            for side in ("now", "before")
        )
        return Change(session, now, before, key)


def _label(session: Session, step: dict[str, Any], said: Any) -> GoldLabel:
    if not isinstance(said, dict):
        raise UsageError("a label is an object")
    at = datetime.now(UTC).isoformat(timespec="seconds")
    told = {"label": said.get("label"), "note": said.get("note") or ""}
    label = parse_label({**step, **told, "annotator": session.who, "at": at})
    if isinstance(label, str):
        raise UsageError(label)
    return label


def save(index: Index, change: Change) -> None:
    """Put the label into the gold set. Raises UsageError where it fits no step, LabelChangedError
    where something else stands there by now."""
    runs = index.runs().filter(trajectory_id=change.key.trajectory_id)
    steps = dict(runs.select("trajectory_id", "n_steps").iter_rows())
    if (reason := unfit(change.key, steps)) is not None:
        raise UsageError(reason)
    label = change.now or change.key
    set_label(index.home, change.session.set, label, change.before, remove=change.now is None)
