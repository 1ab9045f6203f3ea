"""The ledger: which requests are answered, and by what. No answer is paid for twice.

It lies in the database of the platform. An answer is durable before anyone sees it, and a request
is asked by one process at a time: whoever asks has claimed it.
"""

import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from threading import Lock
from typing import Self

import sqlalchemy as sa

from srft_assets.critic.calls import Reply, from_row, says_nothing, to_row
from srft_assets.critic.failures import CallError, Kind
from srft_assets.critic.jobs import holding, parts
from srft_assets.critic.old_ledger import take_over
from srft_assets.database.store import ANSWERS, CLAIMS, database_of, insert_once
from srft_assets.home import Home
from srft_assets.processes.locks import exclusive

IN_A_BATCH = "it is in a batch of the provider that is under way: srft critic batches"


class Ledger:
    """The answers of one platform. May be shared by threads; many processes may have one each.

    It blocks for as long as the disk takes: from a coroutine, call it in a thread. Every method
    raises SrftError where the database is damaged, locked for long, or cannot be written.
    """

    def __init__(self, home: Home) -> None:
        self._database = database_of(home)
        take_over(home, self._database)
        self._owner = uuid.uuid4().hex
        self._alive = ExitStack()
        self._lock = Lock()
        self._claims = False

    def find(self, keys: Collection[str]) -> dict[str, Reply]:
        """The replies to those of the keys that are answered, by key, in no order."""
        replies = (from_row(row._asdict()) for row in self._database.rows(ANSWERS, keys))
        return {reply.key: reply for reply in replies if not says_nothing(reply)}

    def keep(self, reply: Reply) -> Reply:
        """Keep a reply and end its claim; returns once it is durable, so that it may be used.

        Where the request was answered before, the first answer stands and is returned.
        Raises ValueError for a key that is not 64 hex digits.
        """
        with self._database.write() as connection:
            connection.execute(sa.delete(CLAIMS).where(CLAIMS.c.key == reply.key))
            return self._keep(connection, reply)

    def keep_all(self, replies: Iterable[Reply]) -> None:
        """Keep what nobody claimed, in one go; as `keep`."""
        with self._database.write() as connection:
            for reply in replies:
                self._keep(connection, reply)

    def _keep(self, connection: sa.Connection, reply: Reply) -> Reply:
        row = to_row(reply)
        if insert_once(connection, ANSWERS, row):
            return reply
        if (first := self._answer(connection, reply.key)) is not None:
            return first
        connection.execute(sa.delete(ANSWERS).where(ANSWERS.c.key == reply.key))
        connection.execute(sa.insert(ANSWERS), row)
        return reply

    @staticmethod
    def _answer(connection: sa.Connection, key: str) -> Reply | None:
        """What the ledger answers. What a provider's failure left there is no answer."""
        row = connection.execute(sa.select(ANSWERS).where(ANSWERS.c.key == key)).one_or_none()
        reply = from_row(row._asdict()) if row else None
        return None if reply is None or says_nothing(reply) else reply

    def claim(self, key: str) -> Reply | bool:
        """Claim a request that is to be asked: True where it is ours to ask now.

        Its answer where it came meanwhile; False while another task or process asks. A claim of a
        process that died counts for nothing. Raises CallError where it is in a provider's batch.
        """
        self._show_alive()
        with self._database.write() as connection:
            if (found := self._answer(connection, key)) is not None:
                return found
            if holding(connection, [key]):
                raise CallError(Kind.UNAVAILABLE, IN_A_BATCH)
            holder = connection.execute(sa.select(CLAIMS.c.owner).where(CLAIMS.c.key == key))
            owner = holder.scalar_one_or_none()
            if owner is not None and not self._is_dead(owner):
                return False
            if owner is not None:
                connection.execute(sa.delete(CLAIMS).where(CLAIMS.c.owner == owner))
            return insert_once(connection, CLAIMS, {"key": key, "owner": self._owner})

    def taken(self, connection: sa.Connection, keys: Sequence[str]) -> set[str]:
        """Those that are answered, claimed by a living task, or in a provider's batch."""
        taken: set[str] = set()
        for some in parts(keys):
            taken.update(key for key, _ in holding(connection, some))
            answers = connection.execute(sa.select(ANSWERS).where(ANSWERS.c.key.in_(some)))
            replies = (from_row(row._asdict()) for row in answers)
            taken.update(reply.key for reply in replies if not says_nothing(reply))
            claims = connection.execute(sa.select(CLAIMS).where(CLAIMS.c.key.in_(some))).all()
            dead = {owner for owner in {row.owner for row in claims} if self._is_dead(owner)}
            connection.execute(sa.delete(CLAIMS).where(CLAIMS.c.owner.in_(dead)))
            taken.update(row.key for row in claims if row.owner not in dead)
        return taken

    def release(self, key: str) -> None:
        """Give back a claim of ours that brought no answer."""
        with self._database.write() as connection:
            connection.execute(sa.delete(CLAIMS).filter_by(key=key, owner=self._owner))

    def everything(self) -> Iterator[tuple[Reply, bool]]:
        """Every reply in the order of its key, and whether it is as it was written."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(ANSWERS).order_by(ANSWERS.c.key))
            for row in rows.yield_per(1000):
                reply = from_row(row._asdict())
                yield reply, to_row(reply)["digest"] == row.digest

    def _show_alive(self) -> None:
        """Hold the lock of our name for as long as we may have claims."""
        with self._lock:
            if not self._claims:
                self._alive.enter_context(exclusive(self._database.locks / self._owner))
                self._claims = True

    def _is_dead(self, owner: str) -> bool:
        path = self._database.locks / owner
        with exclusive(path, wait=False) as free:
            if free:
                path.unlink(missing_ok=True)
            return free

    def close(self) -> None:
        """Give all claims back."""
        with self._lock:
            if self._claims:
                with self._database.write() as connection:
                    connection.execute(sa.delete(CLAIMS).where(CLAIMS.c.owner == self._owner))
                self._alive.close()
                (self._database.locks / self._owner).unlink(missing_ok=True)
                self._claims = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
