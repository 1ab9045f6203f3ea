"""Output of a command, kept within a bound while it flows."""


class CutOutput:
    """Keeps the first and the last half of `limit` bytes of a stream of any length."""

    def __init__(self, limit: int) -> None:
        self._head_room = limit - limit // 2
        self._tail_room = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        take = self._head_room - len(self._head)
        self._head += chunk[:take]
        self._tail += chunk[take:]
        # Trimming at twice the room keeps the cost of each byte constant.
        if len(self._tail) > 2 * self._tail_room:
            self._trim()

    def text(self) -> str:
        """What was kept; a cut is marked on a line of its own. Bad UTF-8 becomes U+FFFD."""
        self._trim()
        head, tail = bytes(self._head), bytes(self._tail)
        if not self._dropped:
            return (head + tail).decode("utf-8", "replace")
        mark = f"\n[... {self._dropped} bytes cut ...]\n"
        return head.decode("utf-8", "replace") + mark + tail.decode("utf-8", "replace")

    def _trim(self) -> None:
        surplus = len(self._tail) - self._tail_room
        if surplus > 0:
            del self._tail[:surplus]
            self._dropped += surplus
