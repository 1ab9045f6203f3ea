"""Batches at a provider: which requests are in them, durable before anything is sent.

In code such a batch is a job, since a batch is a set of runs. A request in a job that is not read
is asked by nobody else; which process goes on with a job is a matter of its lock.
"""

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from srft_assets.database.store import ANSWERS, AT_ONCE, JOB_CALLS, JOBS, database_of
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.processes.locks import exclusive

if TYPE_CHECKING:
    from srft_assets.critic.ledger import Ledger


class State(StrEnum):
    """How far a job is.

    `written`: its requests are reserved, and nothing of it can have been created. `uploaded`: its
    file is at the provider, and it may have been created. `submitted`: it has a name there.
    `read`: what it answered is in the ledger, and the rest of its requests are free again.
    """

    WRITTEN = "written"
    UPLOADED = "uploaded"
    SUBMITTED = "submitted"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Job:
    """A batch at a provider.

    Attributes:
        critic, batch: whose requests they are, as the ledger notes it.
        model: as requests name it.
        url: of the API, without any secret.
        at: ISO 8601, UTC: since when its requests count as paid for.
        file, remote: the provider's names of the file of requests, and of the batch.
    """

    critic: str
    batch: str
    model: str
    url: str
    state: State = State.WRITTEN
    file: str | None = None
    remote: str | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))


@dataclass(frozen=True, slots=True)
class Call:
    """A request in a job: its key, the trajectory_id it is about, and estimated tokens."""

    key: str
    about: str
    prompt_tokens: int
    completion_tokens: int


class Jobs:
    """The jobs of one platform. It blocks for as long as the disk takes: call it in a thread."""

    def __init__(self, home: Home) -> None:
        self._database = database_of(home)

    def open(
        self,
        job: Job,
        calls: Sequence[Call],
        ledger: "Ledger",
        check: Callable[[Sequence[Call]], None] = lambda calls: None,
    ) -> set[str]:
        """Put requests into a new job; keys of those that nobody answered or asks otherwise.

        Nothing is kept where there is none, nor where `check` raises for those: while it looks, no
        other process puts any into a job.
        """
        with self._database.write() as connection:
            taken = ledger.taken(connection, [call.key for call in calls])
            free = [call for call in calls if call.key not in taken]
            if free:
                check(free)
                keys = [call.key for call in free]  # of a job that was read, and lost its answers
                for some in parts(keys):
                    connection.execute(sa.delete(JOB_CALLS).where(JOB_CALLS.c.key.in_(some)))
                connection.execute(sa.insert(JOBS), asdict(job))
                connection.execute(
                    sa.insert(JOB_CALLS), [{**asdict(call), "job": job.id} for call in free]
                )
        return {call.key for call in free}

    def advance(self, job: Job, **changes: Any) -> Job:
        """The job with these changes, once they are durable."""
        with self._database.write() as connection:
            connection.execute(sa.update(JOBS).where(JOBS.c.id == job.id).values(**changes))
        return replace(job, **changes)

    def close(self, job: Job) -> None:
        """End a job that was read: requests that it did not answer are free again."""
        answered = sa.exists().where(ANSWERS.c.key == JOB_CALLS.c.key)
        with self._database.write() as connection:
            connection.execute(sa.delete(JOB_CALLS).where(JOB_CALLS.c.job == job.id, ~answered))
            connection.execute(sa.update(JOBS).where(JOBS.c.id == job.id).values(state=State.READ))
        self._lock(job.id).unlink(missing_ok=True)

    def drop(self, job: Job) -> None:
        """Forget a job: all its requests are free again, whatever it may answer."""
        with self._database.write() as connection:
            connection.execute(sa.delete(JOB_CALLS).where(JOB_CALLS.c.job == job.id))
            connection.execute(sa.delete(JOBS).where(JOBS.c.id == job.id))
        self._lock(job.id).unlink(missing_ok=True)

    def give_up(self, id: str) -> int:
        """Drop a job that is under way; how many requests were in it.

        Raises UsageError where there is none of that id, SrftError where a process follows it.
        """
        job = self.get(id)
        if job is None or job.state is State.READ:
            raise UsageError(f"no batch {id!r} is under way: srft critic batches")
        calls = len(self.calls(job))
        with self.turn(id) as ours:
            if not ours:
                raise SrftError(f"a process follows the batch {id}: end that first")
            self.drop(job)
        return calls

    def get(self, id: str) -> Job | None:
        with self._database.read() as connection:
            row = connection.execute(sa.select(JOBS).where(JOBS.c.id == id)).one_or_none()
        return None if row is None else _job(row)

    def calls(self, job: Job) -> dict[str, Call]:
        columns = (JOB_CALLS.c[one.name] for one in fields(Call))
        with self._database.read() as connection:
            rows = connection.execute(sa.select(*columns).where(JOB_CALLS.c.job == job.id)).all()
        return {row.key: Call(*row) for row in rows}

    def holding(self, keys: Collection[str]) -> dict[str, str]:
        """Key → id of the job under way that holds it, of those that are in one."""
        with self._database.read() as connection:
            return dict(pair for some in parts(list(keys)) for pair in holding(connection, some))

    def under_way(self) -> list[tuple[Job, int]]:
        """Jobs that are not read, the first one first, and how many requests are in each."""
        count = sa.func.count(JOB_CALLS.c.key).label("calls")
        wanted = (
            sa.select(JOBS, count)
            .outerjoin(JOB_CALLS, JOB_CALLS.c.job == JOBS.c.id)
            .where(JOBS.c.state != State.READ)
            .group_by(*JOBS.c)
            .order_by(JOBS.c.at, JOBS.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
        return [(_job(row), row.calls) for row in rows]

    def turn(self, id: str) -> AbstractContextManager[bool]:
        """Whether it is ours to go on with a job; no other process does meanwhile."""
        return exclusive(self._lock(id), wait=False)

    def _lock(self, id: str) -> Path:
        return self._database.locks / f"job-{id}"


def holding(connection: sa.Connection, keys: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of key and job for those of the keys that are in a job under way."""
    wanted = (
        sa.select(JOB_CALLS.c.key, JOB_CALLS.c.job)
        .join(JOBS, JOBS.c.id == JOB_CALLS.c.job)
        .where(JOB_CALLS.c.key.in_(keys), JOBS.c.state != State.READ)
    )
    return [(key, job) for key, job in connection.execute(wanted)]


def parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """So many at once as one statement takes."""
    return (keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE))


def _job(row: sa.Row[Any]) -> Job:
    stored = {one.name: getattr(row, one.name) for one in fields(Job)}
    return Job(**{**stored, "state": State(row.state)})
