"""Memory that is free but still held by the process."""

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Return free memory to the system, where the C library can (glibc's malloc_trim(3)).

    Each batch is tokenized by threads of its own, and glibc keeps what each of them freed for
    later threads: ten batches would take a third more than one.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
