"""What several files of these tests start from."""

from collections.abc import Iterator

import pytest

from srft_assets.critic.client import parameters_of
from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from tests.critic.calls import Asked
from tests.critic.prompt_runs import real_run
from tests.critic.server import Server, serving
from tests.warehouse.filled import fill


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    """One server for all tests of a file."""
    with serving() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    """The server, as good as new."""
    running.faults.clear()
    running.calls.clear()
    running.answered.clear()
    running.bodies.clear()
    running.rule, running.keep = lambda body: None, False
    return running


@pytest.fixture
def asked(home: Home) -> Iterator[Asked]:
    with Ledger(home) as ledger:
        yield Asked(ledger)


@pytest.fixture(scope="module")
def runs(shared):
    paths = sorted((shared / "trajectories/mini-swe-agent-v1/trajs").glob("*.json"))
    return [real_run(path) for path in paths[:12]]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return fill(Home(tmp_path_factory.mktemp("filled")))


@pytest.fixture(autouse=True)
def nothing_learned() -> None:
    """What an endpoint refused in another test is forgotten: ports come again."""
    parameters_of.cache_clear()
