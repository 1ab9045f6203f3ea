"""No request is sent by two at once, and a dead process holds none."""

import subprocess
import sys
from pathlib import Path

from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from tests.critic.ledger_support import key_of, reply

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CLAIMER = """
import sys
from pathlib import Path
from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from tests.critic.ledger_support import key_of

ledger = Ledger(Home(Path(sys.argv[1])))
print([ledger.claim(key_of(number)) for number in range(20)], flush=True)
sys.stdin.read()
"""


def test_a_claim_keeps_all_others_away_until_it_is_given_back(home: Home) -> None:
    with Ledger(home) as one, Ledger(home) as two:
        assert one.claim(key_of(1)) is True
        assert one.claim(key_of(1)) is False, "another task of the same process"
        assert two.claim(key_of(1)) is False
        assert two.claim(key_of(2)) is True
        two.release(key_of(1))
        assert two.claim(key_of(1)) is False, "nobody gives back what another holds"
        one.release(key_of(1))
        assert two.claim(key_of(1)) is True


def test_an_answer_ends_the_claim_and_is_told_instead_of_another(home: Home) -> None:
    with Ledger(home) as one, Ledger(home) as two:
        assert one.claim(key_of(1)) is True
        one.keep(reply(1))
        assert two.claim(key_of(1)) == reply(1)


def test_a_ledger_that_is_closed_holds_nothing(home: Home) -> None:
    with Ledger(home) as one:
        one.claim(key_of(1))
    with Ledger(home) as two:
        assert two.claim(key_of(1)) is True
    assert not [path for path in (home.root / "srft.db-locks").iterdir() if len(path.name) == 32]


def test_a_killed_process_holds_nothing(home: Home) -> None:
    argv = [sys.executable, "-c", CLAIMER, str(home.root)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(argv, cwd=CHECKOUT, text=True, **pipes) as other, Ledger(home) as mine:
        assert other.stdout.readline() == f"{[True] * 20}\n"
        assert mine.claim(key_of(7)) is False, "another process asks"
        other.kill()
        other.wait()
        assert [mine.claim(key_of(number)) for number in range(20)] == [True] * 20


ASKER = """
import random, sys
from pathlib import Path
from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from tests.critic.ledger_support import key_of, reply

ledger = Ledger(Home(Path(sys.argv[1])))
numbers = list(range(60))
random.Random(sys.argv[2]).shuffle(numbers)
print("ready", flush=True)
sys.stdin.readline()
asked = 0
while numbers:
    number = numbers.pop(0)
    claimed = ledger.claim(key_of(number))
    if claimed is True:
        asked += 1
        ledger.keep(reply(number))
    elif claimed is False:
        numbers.append(number)
print(asked)
"""


def test_processes_that_claim_ask_every_request_once(home: Home) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ASKER, str(home.root), str(each)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for each in range(3)
    ]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    asked = 0
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        printed, _ = process.communicate()
        assert process.returncode == 0
        asked += int(printed)
    with Ledger(home) as ledger:
        assert len(ledger.find([key_of(number) for number in range(60)])) == asked == 60
