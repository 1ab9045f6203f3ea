"""Compaction merges what no writer appends to, and loses nothing."""

import fcntl
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from srft_assets.critic.ledger.compacted import ROWS
from srft_assets.critic.ledger.compaction import LOCK, Compacted, compact
from srft_assets.critic.ledger.ledger import Ledger
from srft_assets.critic.ledger.verify import Fault, verify
from srft_assets.errors import SrftError
from tests.critic.ledger_support import key_of, reply


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def append(folder: Path, *numbers: int, **changes: object) -> Path:
    """A writer that comes, appends and goes; its file."""
    there = set(folder.glob("*.jsonl"))
    with Ledger(folder) as ledger:
        for number in numbers:
            ledger.append(reply(number, **changes))
    (made,) = set(folder.glob("*.jsonl")) - there
    return made


def found(folder: Path, *numbers: int) -> list[str | None]:
    with Ledger(folder) as ledger:
        replies = ledger.find([key_of(number) for number in numbers])
    return [replies[key_of(number)].content for number in numbers if key_of(number) in replies]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_ledger_without_files_has_nothing_to_merge(folder: Path) -> None:
    assert compact(folder) == Compacted()
    assert not folder.exists()


def test_files_of_writers_that_are_gone_become_one(folder: Path) -> None:
    made = [append(folder, 1, 2), append(folder, 3)]
    size = sum(path.stat().st_size for path in made)
    done = compact(folder)
    assert (done.file, done.replies, done.doubled, done.torn) == ("compact-1.parquet", 3, 0, 0)
    assert done.merged == tuple(sorted(path.name for path in made))
    assert done.bytes_before == size
    assert done.bytes_after == (folder / "compact-1.parquet").stat().st_size
    assert names(folder) == ["compact-1.parquet"]
    assert len(found(folder, 1, 2, 3)) == 3
    assert compact(folder) == Compacted()


def test_every_reply_comes_back_as_it_was(folder: Path) -> None:
    hostile = [
        reply(1, content="a\ud800\x00\x1b[31m\n", about="../\ud800"),
        reply(2, content=None, refusal="\r\n"),
        reply(3, seconds=0.1 + 0.2, prompt_tokens=2**62, finish_reason=None),
    ]
    with Ledger(folder) as ledger:
        for each in hostile:
            ledger.append(each)
    compact(folder)
    with Ledger(folder) as ledger:
        assert ledger.find([each.key for each in hostile]) == {each.key: each for each in hostile}


def test_a_second_compaction_takes_in_the_first(folder: Path) -> None:
    append(folder, *range(ROWS + 10))
    compact(folder)
    append(folder, *range(ROWS, ROWS + 20), at="2027")
    done = compact(folder)
    assert (done.file, done.replies, done.doubled) == ("compact-2.parquet", ROWS + 20, 10)
    assert names(folder) == ["compact-2.parquet"]
    assert len(found(folder, *range(ROWS + 20))) == ROWS + 20


def test_rows_keep_the_order_in_which_they_were_written(folder: Path) -> None:
    append(folder, 5, 3, 8)
    compact(folder)
    keys = pq.read_table(folder / "compact-1.parquet")["key"].to_pylist()
    assert keys == [key_of(5), key_of(3), key_of(8)]


def test_of_doubled_keys_the_first_answer_stays(folder: Path) -> None:
    append(folder, 1, content="later", at="2026-11-23T11")
    append(folder, 1, content="first", at="2026-11-23T10")
    assert found(folder, 1) == ["first"]
    assert compact(folder).doubled == 1
    append(folder, 1, content="last", at="2026-11-23T12")
    assert found(folder, 1) == ["first"]


def test_a_writer_at_work_is_left_alone(folder: Path) -> None:
    gone = append(folder, 1)
    with Ledger(folder) as writer:
        writer.append(reply(2))
        (at_work,) = set(folder.glob("*.jsonl")) - {gone}
        assert compact(folder).writing == (at_work.name,)
        writer.append(reply(3))
        assert names(folder) == [at_work.name, "compact-1.parquet"]
        assert len(found(folder, 1, 2, 3)) == 3
    assert compact(folder).replies == 3


def test_a_reader_goes_on_while_files_are_merged(folder: Path) -> None:
    append(folder, 1)
    with Ledger(folder) as reader:
        assert reader.has([key_of(1)])
        compact(folder)
        assert reader.find([key_of(1)]) == {key_of(1): reply(1)}
        append(folder, 2)
        compact(folder)
        assert len(reader.find([key_of(1), key_of(2)])) == 2


def test_a_torn_line_is_dropped_and_counted(folder: Path) -> None:
    path = append(folder, 1, 2)
    path.write_bytes(path.read_bytes()[:-1])
    assert verify(folder).torn == (Fault(path.name, 2, "torn: its end was never written"),)
    done = compact(folder)
    assert (done.replies, done.torn) == (1, 1)
    assert verify(folder).torn == ()


def test_a_file_with_a_damaged_line_is_left_for_a_person(folder: Path) -> None:
    path = append(folder, 1, 2, 3)
    path.write_bytes(path.read_bytes().replace(b"[2]", b"[7]"))
    append(folder, 4)
    done = compact(folder)
    assert (done.damaged, done.replies) == ((path.name,), 1)
    report = verify(folder)
    assert report.damaged == (Fault(path.name, 2, "damaged: its digest differs"),)
    assert (report.replies, report.files) == (3, 2)
    assert len(found(folder, 1, 2, 3, 4)) == 3


def test_a_compaction_killed_before_it_removed_what_it_merged(folder: Path) -> None:
    """Both are there: every reply counts once, and the next compaction removes the rest."""
    append(folder, 1, 2)
    compact(folder)
    append(folder, 3)
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    with Ledger(folder) as reader:
        assert len(reader.find([key_of(number) for number in (1, 2, 3)])) == 3
        compact(folder)
        for path in kept.iterdir():
            shutil.copy(path, folder)
        assert len(names(folder)) == 3
        assert len(reader.find([key_of(number) for number in (1, 2, 3)])) == 3
    report = verify(folder)
    assert (report.replies, report.doubled) == (3, 0)
    assert len(found(folder, 1, 2, 3)) == 3
    assert compact(folder).file is None
    assert names(folder) == ["compact-2.parquet"]
    assert len(found(folder, 1, 2, 3)) == 3


def test_a_damaged_compaction_is_told_and_never_passed_over(folder: Path) -> None:
    """Its answers would be paid for again."""
    append(folder, *range(50))
    compact(folder)
    path = folder / "compact-1.parquet"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 4] ^= 0xFF
    path.write_bytes(whole)
    with Ledger(folder) as ledger:
        for _ in range(2):
            with pytest.raises(SrftError, match=r"compact-1.parquet is damaged"):
                ledger.find([key_of(number) for number in range(50)])
    (fault,) = verify(folder).damaged
    assert fault.file == path.name
    path.write_bytes(whole[:100])
    with Ledger(folder) as ledger, pytest.raises(SrftError, match=r"compact-1.parquet is damaged"):
        ledger.has([key_of(1)])
    (fault,) = verify(folder).damaged
    assert fault.line is None


def test_a_second_compaction_at_once_says_who_compacts(folder: Path) -> None:
    append(folder, 1)
    with (folder / LOCK).open("w") as held:
        held.write("process 7 on host since 10:00:00 UTC\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SrftError, match="being compacted by process 7 on host since 10:00"):
            compact(folder)
    assert compact(folder).replies == 1


def test_a_sound_ledger_has_no_faults(folder: Path) -> None:
    append(folder, 1, 2)
    append(folder, 2, at="2027")
    report = verify(folder)
    assert (report.files, report.replies, report.doubled) == (2, 3, 1)
    assert report.damaged == report.torn == ()
