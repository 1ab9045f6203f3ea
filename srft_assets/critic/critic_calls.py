"""`critic_calls`: the answers of the ledger as Parquet, which every DuckDB client sees.

`<warehouse>/critic_calls/<critic>/<batch>.parquet` holds all calls that a critic was ever paid for
about a batch, whatever became of its verdicts. It is written when the making of the verdicts ends,
also when it fails or is interrupted; where the process was killed, by the next command.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from srft_assets.critic.call import Reply, from_row
from srft_assets.critic.verdict import CRITIC_CALLS
from srft_assets.home import Home
from srft_assets.locks import exclusive
from srft_assets.warehouse.placing import place
from srft_assets.warehouse.store import CALLS

OPEN = "_open"
"""Folder of the locks that are held while the calls of a partition are being paid for."""


def calls_folder(home: Home) -> Path:
    """Where the partitions lie."""
    return home.warehouse / CALLS


@contextmanager
def calls_written(home: Home, critic: str, batch: str) -> Iterator[None]:
    """Whatever ends what is inside, the calls of the partition are written afterwards."""
    mark = calls_folder(home) / OPEN / critic / f"{batch}.lock"
    with exclusive(mark):
        try:
            yield
        finally:
            write_calls(home, critic, batch)
            mark.unlink(missing_ok=True)


def write_open_calls(home: Home) -> None:
    """Write the partitions that are being paid for, or were when their process was killed."""
    for mark in sorted(calls_folder(home).glob(f"{OPEN}/*/*.lock")):
        with exclusive(mark, wait=False) as left:
            write_calls(home, mark.parent.name, mark.stem)
            if left:
                mark.unlink(missing_ok=True)


def write_calls(home: Home, critic: str, batch: str) -> None:
    """Write a partition as the ledger has it now; nothing where it holds no call of it."""
    import sqlalchemy as sa

    from srft_assets.database import ANSWERS, database_of

    database = database_of(home)
    here = (ANSWERS.c.critic == critic) & (ANSWERS.c.batch == batch)
    wanted = sa.select(ANSWERS).where(here).order_by(ANSWERS.c.at, ANSWERS.c.key)
    with exclusive(database.locks / "critic_calls.lock"):
        with database.read() as connection:
            replies = [from_row(row._asdict()) for row in connection.execute(wanted)]
        if replies:
            buffer = io.BytesIO()
            calls_frame(replies).write_parquet(buffer)
            place(calls_folder(home) / critic / f"{batch}.parquet", buffer.getvalue())


def calls_frame(replies: list[Reply]) -> pl.DataFrame:
    """The replies as rows."""
    columns = {name: [getattr(reply, name) for reply in replies] for name in CRITIC_CALLS}
    sound = {
        name: list(map(_in_unicode, values)) if CRITIC_CALLS[name] == pl.String else values
        for name, values in columns.items()
    }
    return pl.DataFrame(sound, schema=CRITIC_CALLS)


def _in_unicode(text: str | None) -> str | None:
    """With U+FFFD for lone surrogates, which a server can send as `\\ud800`."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
