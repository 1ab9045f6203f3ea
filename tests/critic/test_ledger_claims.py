"""No request is sent by two at once, and a dead process holds none."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from srft_assets.critic.ledger.claims import Claims
from srft_assets.critic.ledger.verify import verify
from tests.critic.ledger_support import key_of

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CLAIMER = """
import sys
from pathlib import Path
from srft_assets.critic.ledger.claims import Claims

claims = Claims(Path(sys.argv[1]))
for line in sys.stdin:
    word, key = line.split()
    print(claims.try_claim(key) if word == "claim" else claims.release(key), flush=True)
"""


class Other:
    """A process that claims."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, word: str, number: int) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{word} {key_of(number)}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def other_process(folder: Path) -> Iterator[Other]:
    argv = [sys.executable, "-c", CLAIMER, str(folder)]
    with subprocess.Popen(
        argv, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Other(process)
        finally:
            process.kill()


def test_a_claim_keeps_other_tasks_of_the_process_away(tmp_path: Path) -> None:
    one, two = Claims(tmp_path), Claims(tmp_path)
    assert one.try_claim(key_of(1))
    assert not one.try_claim(key_of(1))
    assert not two.try_claim(key_of(1))
    assert two.try_claim(key_of(2))
    one.release(key_of(1))
    assert two.try_claim(key_of(1))
    two.release(key_of(1))
    two.release(key_of(2))


def test_a_claim_keeps_other_processes_away_until_it_is_released(tmp_path: Path) -> None:
    with other_process(tmp_path) as other:
        assert other.ask("claim", 1) == "True"
        claims = Claims(tmp_path)
        assert not claims.try_claim(key_of(1))
        assert claims.try_claim(key_of(2))
        assert other.ask("claim", 2) == "False"
        other.ask("release", 1)
        assert claims.try_claim(key_of(1))
        assert other.ask("claim", 1) == "False"
        claims.release(key_of(1))
        claims.release(key_of(2))


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    with other_process(tmp_path) as other:
        assert [other.ask("claim", number) for number in range(50)] == ["True"] * 50
        assert not claims.try_claim(key_of(7))
        other.process.send_signal(signal.SIGKILL)
        other.process.wait()
        assert all(claims.try_claim(key_of(number)) for number in range(50))
    for number in range(50):
        claims.release(key_of(number))


def test_another_handle_coming_and_going_drops_no_claim(tmp_path: Path) -> None:
    """POSIX drops all locks of a process with the first descriptor it closes."""
    claims = Claims(tmp_path)
    assert claims.try_claim(key_of(1))
    for _ in range(3):
        Claims(tmp_path)
    with other_process(tmp_path) as other:
        assert other.ask("claim", 1) == "False"
    claims.release(key_of(1))


def test_a_forked_child_has_none_of_its_parent_s_claims(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    assert claims.try_claim(key_of(1))
    child = os.fork()
    if child == 0:
        os._exit(0 if not claims.try_claim(key_of(1)) and claims.try_claim(key_of(2)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with other_process(tmp_path) as other:
        assert other.ask("claim", 1) == "False"
        assert other.ask("claim", 2) == "True"
    claims.release(key_of(1))


def test_what_is_not_held_cannot_be_released(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not claimed by this process"):
        Claims(tmp_path).release(key_of(1))


ASKER = """
import random, sys
from pathlib import Path
from srft_assets.critic.ledger.claims import Claims
from srft_assets.critic.ledger.ledger import Ledger
from tests.critic.ledger_support import key_of, reply

folder = Path(sys.argv[1])
claims, ledger = Claims(folder), Ledger(folder)
numbers = list(range(200))
random.Random(sys.argv[2]).shuffle(numbers)
print("ready", flush=True)
sys.stdin.readline()
while numbers:
    number = numbers.pop(0)
    key = key_of(number)
    if ledger.has([key]):
        continue
    if not claims.try_claim(key):
        numbers.append(number)
        continue
    if not ledger.has([key]):
        ledger.append(reply(number))
    claims.release(key)
"""


def test_processes_that_claim_ask_every_request_once(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ASKER, str(tmp_path), str(each)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for each in range(3)
    ]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    report = verify(tmp_path)
    assert (report.replies, report.doubled, report.files) == (200, 0, 3)
