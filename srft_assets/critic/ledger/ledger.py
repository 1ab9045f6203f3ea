"""The ledger: which requests are answered, and by what."""

import threading
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from srft_assets.critic.call import Reply
from srft_assets.critic.ledger.folder import listing
from srft_assets.critic.ledger.index import Index
from srft_assets.critic.ledger.writer import Writer
from srft_assets.errors import SrftError

T = TypeVar("T")
ATTEMPTS = 20
"""A reader begins again where compaction took a file; no compaction takes files so often."""


class Ledger:
    """The replies below one folder, which may be absent. Many processes may use it at once.

    In memory it holds keys and places, no contents. May be shared by threads. Where a request
    was answered twice, the first answer stands.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer = Writer(folder)
        self._index = Index(folder)
        self._lock = threading.Lock()

    def has(self, keys: Collection[str]) -> set[str]:
        """Those of the keys that are answered, also by other processes until now."""
        return self._read(lambda index: {key for key in keys if key in index})

    def find(self, keys: Collection[str]) -> dict[str, Reply]:
        """The replies to those of the keys that are answered, by key, in no order.

        Raises SrftError where a compacted file is damaged.
        """
        return self._read(lambda index: index.find(keys))

    def append(self, reply: Reply) -> None:
        """Keep a reply; returns once it is on the disk, so that it may be used.

        It blocks for as long as the disk takes: from a coroutine, call it in a thread; what
        several threads append at once is made durable in one go. Raises ValueError for a key
        that is not 64 hex digits, OSError where the disk fails.
        """
        self._writer.append(reply)

    def _read(self, ask: Callable[[Index], T]) -> T:
        """Whatever ends an update in its middle, the next one begins anew: no key is missed."""
        with self._lock:
            for _ in range(ATTEMPTS):
                try:
                    self._refresh()
                    return ask(self._index)
                except FileNotFoundError:
                    self._index.close()
                except BaseException:
                    self._index.close()
                    raise
        raise SrftError(f"the files of {self._folder} change faster than they can be read")

    def _refresh(self) -> None:
        names = listing(self._folder)
        if self._index.outdated(names):
            self._index.close()
        self._index.update(names)

    def close(self) -> None:
        """End the file that this ledger appends to, if any, and forget what was read."""
        self._writer.close()
        with self._lock:
            self._index.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
