"""Processes killed at any moment: nothing that was acknowledged is lost, nothing comes twice."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from srft_assets.critic.ledger.compaction import compact
from srft_assets.critic.ledger.folder import is_lines, listing
from srft_assets.critic.ledger.ledger import Ledger
from srft_assets.critic.ledger.verify import verify
from srft_assets.home import Home
from srft_assets.schemas import SCHEMAS
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.query import run_query
from tests.critic.ledger_support import key_of, reply

CHECKOUT = Path(__file__).resolve().parent.parent.parent
WRITER = """
import sys, threading
from pathlib import Path
from srft_assets.critic.ledger.ledger import Ledger
from tests.critic.ledger_support import reply

ledger, first = Ledger(Path(sys.argv[1])), int(sys.argv[2])
said = threading.Lock()

def work(first):
    for number in range(first, first + 100_000):
        ledger.append(reply(number, content="x" * (number % 7000)))
        with said:
            print(number, flush=True)

for thread in range(2):
    threading.Thread(target=work, args=(first + thread * 100_000,)).start()
"""
COMPACTOR = """
import sys
from pathlib import Path
from srft_assets.critic.ledger.compaction import compact
from srft_assets.errors import SrftError

print("ready", flush=True)
sys.stdin.readline()
while True:
    try:
        compact(Path(sys.argv[1]))
    except SrftError:
        pass
    print("done", flush=True)
"""


def start(program: str, *words: object) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", program, *map(str, words)]
    return subprocess.Popen(
        argv, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def go(process: subprocess.Popen[str]) -> None:
    """Let a compactor begin."""
    assert process.stdin and process.stdout
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()


def kill(process: subprocess.Popen[str]) -> list[str]:
    """End it at once; the lines it had said and nobody read, less a torn one."""
    with process:
        process.send_signal(signal.SIGKILL)
        assert process.stdout
        return process.stdout.read().split("\n")[:-1]


def test_writers_killed_in_the_middle_lose_nothing_they_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(0)
    for turn in range(2):
        writers = [start(WRITER, tmp_path, (turn * 2 + each) * 1_000_000) for each in range(2)]
        acknowledged = []
        for writer in writers:
            assert writer.stdout
            acknowledged.append(writer.stdout.readline())
        time.sleep(chance.uniform(0.05, 0.3))
        for writer in writers:
            acknowledged += kill(writer)
        keys = {key_of(int(number)) for number in acknowledged}
        with Ledger(tmp_path) as ledger:
            assert ledger.has(keys) == keys
        assert verify(tmp_path).damaged == ()
    compact(tmp_path)
    assert not any(map(is_lines, listing(tmp_path)))
    with Ledger(tmp_path) as ledger:
        assert ledger.has(keys) == keys


def test_compactions_killed_in_the_middle_lose_and_double_nothing(tmp_path: Path) -> None:
    """The files are those of many writers; a reader and SQL look on."""
    home = Home(tmp_path)
    build_catalogue(home, SCHEMAS)
    compactors = [start(COMPACTOR, home.ledger) for _ in range(6)]
    chance = random.Random(1)
    keys: list[str] = []
    with Ledger(home.ledger) as onlooker:
        for compactor in compactors:
            for _ in range(4):
                with Ledger(home.ledger) as writer:
                    for number in range(len(keys), len(keys) + 20):
                        writer.append(reply(number, content="x" * (number % 5000)))
                        keys.append(key_of(number))
            go(compactor)
            end = time.monotonic() + chance.uniform(0, 0.04)
            while time.monotonic() < end:
                assert onlooker.has(keys) == set(keys)
            kill(compactor)
            assert len(onlooker.find(keys)) == len(keys)
            assert verify(home.ledger).doubled == 0
            counted = run_query(home, "SELECT count(*), count(DISTINCT key) FROM critic_calls")
            assert counted.rows() == [(len(keys), len(keys))]
    compact(home.ledger)
    report = verify(home.ledger)
    assert (report.files, report.replies, report.damaged) == (1, len(keys), ())
    assert not [path for path in home.ledger.iterdir() if path.suffix == ".tmp"]


def test_readers_writers_and_a_compactor_at_once(tmp_path: Path) -> None:
    writer, compactor = start(WRITER, tmp_path, 0), start(COMPACTOR, tmp_path)
    try:
        go(compactor)
        assert writer.stdout and compactor.stdout
        seen = {key_of(int(writer.stdout.readline()))}
        assert compactor.stdout.readline() == "done\n"
        with Ledger(tmp_path) as mine:
            for number in range(10_000_000, 10_000_040):
                mine.append(reply(number))
                seen |= {key_of(number), key_of(int(writer.stdout.readline()))}
                assert mine.has(seen) == seen
    finally:
        kill(compactor)
        said = kill(writer)
    seen |= {key_of(int(number)) for number in said}
    with Ledger(tmp_path) as ledger:
        assert ledger.has(seen) == seen
