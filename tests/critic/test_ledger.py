"""The ledger: what was answered is found, by every process, and is never asked for again."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from srft_assets.critic.ledger.ledger import Ledger
from srft_assets.critic.ledger.verify import verify
from tests.critic.ledger_support import key_of, reply

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def lines(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def test_a_ledger_that_nobody_wrote_to_is_empty_and_leaves_nothing(folder: Path) -> None:
    with Ledger(folder) as ledger:
        assert ledger.find([key_of(1)]) == {}
        assert ledger.has([key_of(1)]) == set()
    assert not folder.exists()


def test_what_was_appended_is_found(folder: Path) -> None:
    with Ledger(folder) as ledger:
        for number in range(3):
            ledger.append(reply(number))
        assert ledger.find([key_of(2), key_of(0), key_of(2), key_of(9)]) == {
            key_of(0): reply(0),
            key_of(2): reply(2),
        }
        assert ledger.has([key_of(1), key_of(9)]) == {key_of(1)}
    assert Ledger(folder).find([key_of(1)]) == {key_of(1): reply(1)}


def test_answers_of_other_writers_appear(folder: Path) -> None:
    with Ledger(folder) as mine, Ledger(folder) as other:
        mine.append(reply(1))
        assert other.has([key_of(1), key_of(2)]) == {key_of(1)}
        mine.append(reply(2))
        other.append(reply(3))
        assert mine.has(map_keys(1, 2, 3)) == other.has(map_keys(1, 2, 3)) == set(map_keys(1, 2, 3))
    assert len(lines(folder)) == 2


def map_keys(*numbers: int) -> list[str]:
    return [key_of(number) for number in numbers]


def test_the_first_answer_stands_whichever_file_is_read_first(folder: Path) -> None:
    with Ledger(folder) as one, Ledger(folder) as two, Ledger(folder) as reader:
        one.append(reply(1, at="2026-11-23T10:00:02+00:00", content="later"))
        assert reader.find([key_of(1)])[key_of(1)].content == "later"
        two.append(reply(1, at="2026-11-23T10:00:01+00:00", content="first"))
        assert reader.find([key_of(1)])[key_of(1)].content == "first"
        one.append(reply(1, at="2026-11-23T10:00:03+00:00", content="last"))
        assert reader.find([key_of(1)])[key_of(1)].content == "first"


def test_a_torn_last_line_is_passed_over_until_its_end_comes(folder: Path) -> None:
    with Ledger(folder) as writer:
        writer.append(reply(1))
        writer.append(reply(2))
    (path,) = lines(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with Ledger(folder) as reader:
        assert reader.has(map_keys(1, 2)) == {key_of(1)}
        path.write_bytes(whole)
        assert reader.has(map_keys(1, 2)) == set(map_keys(1, 2))


def test_a_damaged_line_is_no_answer_and_those_after_it_are(folder: Path) -> None:
    with Ledger(folder) as writer:
        for number in range(3):
            writer.append(reply(number))
    (path,) = lines(folder)
    path.write_bytes(path.read_bytes().replace(b"[1]", b"[7]"))
    with Ledger(folder) as ledger:
        assert ledger.has(map_keys(0, 1, 2)) == set(map_keys(0, 2))
        ledger.append(reply(1, content="asked again"))
        assert ledger.find([key_of(1)])[key_of(1)].content == "asked again"


def test_a_copy_put_back_is_read_anew(folder: Path) -> None:
    with Ledger(folder) as writer:
        writer.append(reply(1))
        writer.append(reply(2))
    (path,) = lines(folder)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"[1]", b"[7]"))
    with Ledger(folder) as reader:
        assert reader.has(map_keys(1, 2)) == {key_of(2)}
        copy = path.with_suffix(".copy")
        copy.write_bytes(whole)
        copy.replace(path)
        assert reader.find(map_keys(1, 2)) == {key_of(1): reply(1), key_of(2): reply(2)}


FULL = """
import resource, sys
from pathlib import Path
from srft_assets.critic.ledger.ledger import Ledger
from tests.critic.ledger_support import reply

resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
failures = 0
with Ledger(Path(sys.argv[1])) as ledger:
    for number in range(60):
        try:
            ledger.append(reply(number))
        except OSError:
            failures += 1
        else:
            print(number)
assert failures > 1
"""


def test_a_disk_that_takes_half_a_line_costs_that_answer_only(folder: Path) -> None:
    """Each file may grow to 10 kB. The failed append is told, the next begins another file."""
    argv = [sys.executable, "-c", FULL, str(folder)]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    kept = {key_of(int(number)) for number in done.stdout.split()}
    assert 50 < len(kept) < 60
    with Ledger(folder) as ledger:
        assert ledger.has(map_keys(*range(60))) == kept
    report = verify(folder)
    assert report.damaged == ()
    assert len(report.torn) == 60 - len(kept) == len(lines(folder)) - 1


def test_threads_share_a_ledger(folder: Path) -> None:
    with Ledger(folder) as ledger:

        def work(first: int) -> None:
            for number in range(first, first + 50):
                ledger.append(reply(number))
                assert ledger.has([key_of(number)])

        threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 400, 50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ledger.find(map_keys(*range(400)))) == 400
    assert len(lines(folder)) == 1


def test_a_forked_child_writes_to_a_file_of_its_own(folder: Path) -> None:
    with Ledger(folder) as ledger:
        ledger.append(reply(1))
        child = os.fork()
        if child == 0:
            ledger.append(reply(2))
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        ledger.append(reply(3))
        assert len(ledger.find(map_keys(1, 2, 3))) == 3
    assert len(lines(folder)) == 2


def test_a_wrong_key_is_refused_before_anything_is_written(folder: Path) -> None:
    with Ledger(folder) as ledger, pytest.raises(ValueError, match="not the key"):
        ledger.append(reply(1, key="../up"))
    assert not folder.exists()
