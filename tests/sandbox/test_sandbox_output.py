"""Output is kept within its bound, whatever comes in whatever pieces."""

from hypothesis import given
from hypothesis import strategies as st

from srft_assets.sandbox.process import CutOutput


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(0, 200))
def test_short_output_is_whole_and_long_output_keeps_both_ends(
    chunks: list[bytes], limit: int
) -> None:
    output, whole = CutOutput(limit), b"".join(chunks)
    for chunk in chunks:
        output.feed(chunk)
    text = output.text()
    if len(whole) <= limit:
        assert text == whole.decode("utf-8", "replace")
        return
    head, tail = whole[: limit - limit // 2], whole[len(whole) - limit // 2 :]
    mark = f"\n[... {len(whole) - limit} bytes cut ...]\n"
    assert text == head.decode("utf-8", "replace") + mark + tail.decode("utf-8", "replace")


def test_memory_stays_bounded() -> None:
    output = CutOutput(1000)
    for _ in range(2000):
        output.feed(b"x" * 65536)
        assert len(output._head) + len(output._tail) < 4 * 65536
    assert len(output.text()) < 1100


def test_the_end_may_be_shorter_than_the_start() -> None:
    output = CutOutput(10, tail=2)
    for chunk in (b"abcdefg", b"hijkl", b"mn"):
        output.feed(chunk)
    assert output.text() == "abcdefgh\n[... 4 bytes cut ...]\nmn"
