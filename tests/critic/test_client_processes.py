"""The client and the server as processes: interrupted, killed, started again."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from tests.critic.calls import Asked
from tests.critic.server import ROOT, serving

ASKING = """
import sys
from pathlib import Path
from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from tests.critic.calls import Asked, ask_many, request
many = (request(number) for number in range(200))
try:
    ask_many(sys.argv[1], many, Asked(Ledger(Home(Path(sys.argv[2])))))
except KeyboardInterrupt:
    sys.exit("interrupted")
"""


def test_an_interrupted_process_keeps_every_answer_that_was_paid_for(tmp_path: Path) -> None:
    with serving(delay=0.3) as server:
        command = [sys.executable, "-c", ASKING, server.base_url, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            while len(server.answered) < 12:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate()
        assert (process.returncode, told) == (1, "interrupted\n")
        kept = Asked(Ledger(Home(tmp_path))).kept
        assert sorted(reply.key for reply in kept) == sorted(server.answered.elements())
        assert len(server.answered) < 200


def test_a_killed_process_is_not_paid_for_what_it_left(tmp_path: Path) -> None:
    with serving(delay=60) as server:
        command = [sys.executable, "-c", ASKING, server.base_url, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT) as process:
            while server.open < 8:
                time.sleep(0.01)
            process.kill()
        while server.open:
            time.sleep(0.01)
        assert server.calls.total() == 8 and not server.answered
