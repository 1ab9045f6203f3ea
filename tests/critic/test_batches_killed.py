"""A process that asks in batches is killed, wherever it is: nothing is lost or paid for twice."""

import multiprocessing
import time
from pathlib import Path

import pytest

from srft_assets.critic.jobs import Jobs
from srft_assets.home import Home
from tests.critic.batch_server import Provider
from tests.critic.platform_support import Labeller, graded_runs
from tests.critic.server import Server

IN_BATCHES = {"endpoint": {"batch": True}}
FOUR = [(f"bad-{number}", 2, False) for number in range(4)]
# Forked from a process without threads that has loaded all of it once.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["tests.critic.platform_support", "srft_assets.critic.asking_jobs"]
)


def label(root: Path, url: str) -> None:
    Labeller(Home(root), url, IN_BATCHES).label()


@pytest.mark.parametrize(
    "halt",
    [
        "upload",  # before its file is there
        "create",  # its file is there, and no batch of it
        "created",  # the batch is there, and nobody was told so
        "look",  # while it waits
        "output",  # before it has read an answer
        "errors",  # half-way through the answers
    ],
)
def test_the_next_command_goes_on_where_one_was_killed(home, server: Server, halt):
    graded_runs(home, FOUR)
    provider = server.provider = Provider(halts={halt})
    provider.ends.append("expired")
    process = PROCESSES.Process(target=label, args=(home.root, server.base_url))
    process.start()
    while halt not in provider.reached:
        time.sleep(0.01)
    process.kill()
    process.join()
    submitted = len(provider.batches)
    provider.halts.clear()

    made = Labeller(home, server.base_url, IN_BATCHES).label()
    assert len(made.frame) == 8 and "unlabeled" not in made.frame["label"].to_list()
    assert [len(provider.requests(one)) for one in provider.batches.values()] == [4, 2]
    assert submitted == (0 if halt in ("upload", "create") else 1)
    assert sorted(server.answered.values()) == [1, 1, 1, 1] and not server.calls
    assert provider.reached.count("upload") == (3 if halt == "upload" else 2)
    assert Jobs(home).under_way() == []
