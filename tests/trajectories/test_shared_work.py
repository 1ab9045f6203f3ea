"""Work in parts comes out the same with helpers, without, and where they fail."""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.trajectories.shared_work import SharedWork


def double(part: int) -> int:
    return 2 * part


@given(parts=st.lists(st.integers()), helpers=st.integers(0, 3))
def test_results_come_in_the_order_of_the_parts(parts, helpers):
    work = SharedWork(parts, double)
    if helpers:
        with ThreadPoolExecutor(helpers) as pool:
            work.hand_to(pool, double)
            assert list(work.results()) == [2 * part for part in parts]
    else:
        assert list(work.results()) == [2 * part for part in parts]


def test_helpers_begin_at_the_end_and_what_they_have_not_begun_is_done_here():
    there, here, let_go = [], [], Event()

    def slowly(part: int) -> int:
        there.append(part)
        let_go.wait(60)
        return part

    def mine(part: int) -> int:
        here.append(part)
        if part == 2:
            let_go.set()
        return part

    work = SharedWork(range(4), mine)
    with ThreadPoolExecutor(1) as pool:
        work.hand_to(pool, slowly)
        assert list(work.results()) == [0, 1, 2, 3]
    assert (here, there) == ([0, 1, 2], [3])


def test_a_part_that_fails_there_is_done_here():
    def failing(part: int) -> int:
        raise OSError("killed")

    work = SharedWork([1, 2], double)
    with ThreadPoolExecutor(1) as pool:
        work.hand_to(pool, failing)
    assert list(work.results()) == [2, 4]


def test_a_part_whose_result_is_gone_is_done_here():
    def gone(sent: int) -> int:
        raise FileNotFoundError(str(sent))

    work = SharedWork([1, 2], double)
    with ThreadPoolExecutor(1) as pool:
        work.hand_to(pool, double, gone)
    assert list(work.results()) == [2, 4]


class Broken:
    """Takes one part and then is no more."""

    def __init__(self) -> None:
        self.taken: Future[int] = Future()

    def submit(self, *args: object) -> Future[int]:
        if self.taken.done():
            raise RuntimeError("cannot schedule new futures after shutdown")
        self.taken.set_exception(OSError("killed"))
        return self.taken


def test_helpers_that_break_while_they_are_asked_leave_the_work_here():
    work = SharedWork([1, 2], double)
    work.hand_to(Broken(), double)
    assert list(work.results()) == [2, 4]


def test_what_fails_here_fails():
    def failing(part: int) -> int:
        raise ValueError(f"part {part}")

    work = SharedWork([7], failing)
    with ThreadPoolExecutor(1) as pool:
        work.hand_to(pool, failing)
    with pytest.raises(ValueError, match="part 7"):
        list(work.results())


def test_dropped_work_is_not_done():
    begun, let_go, done = Event(), Event(), []

    def slowly(part: int) -> int:
        begun.set()
        let_go.wait(60)
        done.append(part)
        return part

    work = SharedWork(range(3), double)
    with ThreadPoolExecutor(1) as pool:
        work.hand_to(pool, slowly)
        assert begun.wait(60)
        work.drop()
        let_go.set()
    assert done == [2]


@pytest.mark.parametrize("taken", [0, 1])
def test_what_nobody_takes_is_discarded(taken):
    begun, let_go, discarded = Event(), Event(), []

    def slowly(part: int) -> int:
        if part == 1:
            begun.set()
            let_go.wait(60)
        return part

    work = SharedWork(range(3), double)
    with ThreadPoolExecutor(1) as pool:
        work.hand_to(pool, slowly, discard=discarded.append)
        assert begun.wait(60)
        results = work.results()
        assert [next(results) for _ in range(taken)] == [0] * taken
        results.close() if taken else work.drop()
        let_go.set()
    assert sorted(discarded) == [1, 2]
    assert not work.shared
