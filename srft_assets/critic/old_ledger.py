"""The ledger as files: taking over what versions before the database wrote, and writing it out.

A line is `{"key":"<64 hex>","digest":"<32 hex>","content":…,"refusal":…,…}`; the digest is over
everything else on it, so that a damaged line never passes for an answer. `compact-<n>.parquet`
holds the fields as columns. Earlier versions put text that is no Unicode into `exact`, as JSON.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from srft_assets.critic.calls import Reply, calls_folder, from_row, to_row, write_calls
from srft_assets.database.store import ANSWERS, Database
from srft_assets.errors import SrftError
from srft_assets.files import move
from srft_assets.home import Home
from srft_assets.processes.locks import exclusive
from srft_assets.warehouse.partitions import PARTITION_NAME

LOG = logging.getLogger(__name__)
LINE = re.compile(rb'\{"key":"([0-9a-f]{64})","digest":"([0-9a-f]{32})",')
OLD_FILE = re.compile(r"[^._].*\.jsonl|compact-\d+\.parquet")
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
            taken = _take(database, sorted(calls_folder(home).glob("*/*.parquet")))
            LOG.warning("the database was empty: %s answers came back from critic_calls", taken)
        if home.ledger.is_dir():
            files = sorted(path for path in home.ledger.iterdir() if OLD_FILE.fullmatch(path.name))
            taken = _take(database, files)
            unnoted = sa.select(ANSWERS.c.critic).where(ANSWERS.c.batch == IMPORTED).distinct()
            with database.read() as connection:
                critics = list(connection.execute(unnoted).scalars())
            for critic in critics:
                write_calls(home, critic, IMPORTED)
            target = move(home.ledger, home.root / "ledger-taken-over")
            LOG.warning("took %s answers into the database; their files are in %s", taken, target)


def take_back(home: Home, database: Database) -> int:
    """Add what `critic_calls` holds and the ledger does not; how many answers that were.

    A file that is damaged is passed over, with a line in the log.
    """
    taken = 0
    for path in sorted(calls_folder(home).glob("*/*.parquet")):
        try:
            taken += _take(database, [path])
        except SrftError as error:
            LOG.warning("%s", error)
    return taken


def _lost(home: Home, database: Database) -> bool:
    """Whether there are calls that were paid for, and no answer in the database."""
    with database.read() as connection:
        if connection.execute(sa.select(ANSWERS.c.key).limit(1)).first():
            return False
    return any(calls_folder(home).glob("*/*.parquet"))


def _take(database: Database, files: list[Path]) -> int:
    """Put the replies of files into the database; how many requests it had no answer to.

    Of two answers to one request the earlier stands.
    """
    taken = 0
    with database.write() as connection:
        for reply in (reply for file in files for reply in _read(file)):
            same = ANSWERS.c.key == reply.key
            at = connection.execute(sa.select(ANSWERS.c.at).where(same)).scalar_one_or_none()
            if at is None or reply.at < at:
                connection.execute(sa.delete(ANSWERS).where(same))
                connection.execute(sa.insert(ANSWERS), to_row(reply))
                taken += at is None
    return taken


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


def decode(line: bytes) -> Reply | str:
    """The reply of a line, or what is wrong with it."""
    if not line.endswith(b"\n"):
        return "torn: its end was never written, and nobody was told that it is kept"
    found = LINE.match(line)
    if not found:
        return "not a line of the ledger"
    if _digest(found[1], line[found.end() : -1]) != found[2]:
        return "damaged: its digest differs; it is paid for again when it is needed"
    return _reply(json.loads(line))


def encode(reply: Reply) -> bytes:
    """One line of JSON in ASCII, its end included."""
    row = asdict(reply)
    key = row.pop("key").encode()
    rest = json.dumps(row, separators=(",", ":")).encode()[1:]
    return b'{"key":"%s","digest":"%s",%s\n' % (key, _digest(key, rest), rest)


def _digest(key: bytes, rest: bytes) -> bytes:
    return hashlib.sha256(key + rest).hexdigest()[:32].encode()


def _reply(row: dict[str, Any]) -> Reply:
    reply = from_row(row | json.loads(row.get("exact") or "{}"))
    critic = reply.critic if PARTITION_NAME.fullmatch(reply.critic) else "unknown"
    return replace(reply, critic=critic, batch=reply.batch or IMPORTED)
