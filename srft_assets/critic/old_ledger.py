"""The ledger as files: taking over what versions before the database wrote, and writing it out.

A line is `{"key":"<64 hex>","digest":"<32 hex>","content":…,"refusal":…,…}`; the digest is over
everything else on it, so that a damaged line never passes for an answer. `compact-<n>.parquet`
holds the fields as columns. Text that JSON and Parquet cannot hold stands in `exact`, in ASCII.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from srft_assets.critic.call import Reply, from_row, to_row
from srft_assets.critic.critic_calls import calls_folder, calls_frame, write_calls
from srft_assets.critic.verdict import CRITIC_CALLS
from srft_assets.database import ANSWERS, Database
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.locks import exclusive
from srft_assets.warehouse.placing import free_path, sync_folder
from srft_assets.warehouse.store import PARTITION_NAME

LOG = logging.getLogger(__name__)
LINE = re.compile(rb'\{"key":"([0-9a-f]{64})","digest":"([0-9a-f]{32})",')
COMPACTED = re.compile(r"compact-\d+\.parquet")
AT_ONCE = 500
IMPORTED = "imported"
"""Batch of answers that were kept before the batch was noted."""


def take_over(home: Home, database: Database) -> None:
    """Take the answers of the folder `ledger/` into the database, in one transaction.

    The folder is then renamed to `ledger-taken-over`; killed at any moment, all is as before or as
    after. A database without any answer also gets back those of `critic_calls`, so that it can be
    made anew when it was damaged. Lines that are damaged are told in the log and stay in the files.
    Raises SrftError where a Parquet file is damaged.
    """
    if not home.ledger.is_dir() and not _lost(home, database):
        return
    with exclusive(database.locks / "take-over.lock"):
        if _lost(home, database):
            taken = _take(database, _partitions(home))
            LOG.warning("the database was empty: %s answers came back from critic_calls", taken)
        if home.ledger.is_dir():
            taken = _take(database, _old_files(home))
            for critic in _critics(database):
                write_calls(home, critic, IMPORTED)
            target = free_path(home.root / "ledger-taken-over")
            home.ledger.rename(target)
            sync_folder(home.root)
            LOG.warning("took %s answers into the database; their files are in %s", taken, target)


def encode(reply: Reply) -> bytes:
    """One line of JSON, its end included."""
    row = asdict(reply)
    key = row.pop("key").encode()
    try:
        rest = orjson.dumps(row)
    except orjson.JSONEncodeError:
        exact = {name: text for name, text in row.items() if isinstance(text, str)}
        (sound,) = calls_frame([reply]).select(row.keys() & CRITIC_CALLS.keys()).to_dicts()
        rest = orjson.dumps({**row, **sound, "exact": json.dumps(exact)})
    return b'{"key":"%s","digest":"%s",%s\n' % (key, _digest(key, rest[1:]), rest[1:])


def decode(line: bytes) -> Reply | str:
    """The reply of a line, or what is wrong with it."""
    if not line.endswith(b"\n"):
        return "torn: its end was never written, and nobody was told that it is kept"
    found = LINE.match(line)
    if not found:
        return "not a line of the ledger"
    if _digest(found[1], line[found.end() : -1]) != found[2]:
        return "damaged: its digest differs; it is paid for again when it is needed"
    return _reply(orjson.loads(line))


def _digest(key: bytes, rest: bytes) -> bytes:
    return hashlib.sha256(key + rest).hexdigest()[:32].encode()


def _reply(row: dict[str, Any]) -> Reply:
    reply = from_row(row | json.loads(row.get("exact") or "{}"))
    critic = reply.critic if PARTITION_NAME.fullmatch(reply.critic) else "unknown"
    return replace(reply, critic=critic, batch=reply.batch or IMPORTED)


def _old_files(home: Home) -> list[Path]:
    return sorted(
        path
        for path in home.ledger.iterdir()
        if (path.suffix == ".jsonl" and path.name[0] not in "._") or COMPACTED.fullmatch(path.name)
    )


def _partitions(home: Home) -> list[Path]:
    return sorted(calls_folder(home).glob("*/*.parquet"))


def _critics(database: Database) -> list[str]:
    """Critics with answers whose batch was not noted."""
    wanted = sa.select(ANSWERS.c.critic).where(ANSWERS.c.batch == IMPORTED).distinct()
    with database.read() as connection:
        return sorted(connection.execute(wanted).scalars())


def _lost(home: Home, database: Database) -> bool:
    with database.read() as connection:
        if connection.execute(sa.select(ANSWERS.c.key).limit(1)).first():
            return False
    return bool(_partitions(home))


def _take(database: Database, files: Sequence[Path]) -> int:
    """Put the replies of files into the database; how many it had not."""
    replies = (reply for file in files for reply in _read(file))
    taken = 0
    with database.write() as connection:
        while some := list(islice(replies, AT_ONCE)):
            taken += _put(connection, some)
    return taken


def _put(connection: sa.Connection, replies: Sequence[Reply]) -> int:
    """Of two answers to one request the first stands. How many requests were not answered yet."""
    first: dict[str, Reply] = {}
    for reply in replies:
        known = first.setdefault(reply.key, reply)
        if reply.at < known.at:
            first[reply.key] = reply
    wanted = sa.select(ANSWERS.c.key, ANSWERS.c.at).where(ANSWERS.c.key.in_(list(first)))
    there = {row.key: row.at for row in connection.execute(wanted)}
    later = [key for key, at in there.items() if first[key].at < at]
    if later:
        connection.execute(sa.delete(ANSWERS).where(ANSWERS.c.key.in_(later)))
    fresh = [to_row(one) for key, one in first.items() if key not in there or key in later]
    if fresh:
        connection.execute(sa.insert(ANSWERS), fresh)
    return len(fresh) - len(later)


def _read(path: Path) -> Iterator[Reply]:
    """The sound replies of a file."""
    if path.suffix == ".parquet":
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for batch in file.iter_batches():
                    yield from map(_reply, batch.to_pylist())
        except (pa.ArrowException, OSError) as error:
            told = " ".join(str(error).split())[:200]
            raise SrftError(
                f"{path} is damaged: {told}; put back a copy, or move it away"
            ) from error
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            reply = decode(line)
            if isinstance(reply, Reply):
                yield reply
            else:
                LOG.warning("%s, line %s is passed over: %s", path, number, reply)
