"""The bytes that critics are asked with about real runs. They are frozen: an answer is paid for
under the hash of its request, and one changed blank would pay for every answer again.

Of the 85 real runs with outcomes, the 43 that failed are read in each of the three ways by the
prompt of `default`, and once by `strict` and `with_patch`.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.golden.golden import compare
from tests.golden.product import Product
from tests.golden.recorder import Recorder, digest, recording

pytestmark = [pytest.mark.golden, pytest.mark.timeout(900)]

BATCHES = {"mini": "mini-swe-agent-v1", "openhands": "openhands-v0.15"}
READINGS = {
    "windows": {"reading": "windows"},
    "small_windows": {"reading": "windows", "context": "{tokens: 12000}"},
    "steps": {"reading": "steps"},
}
"""Critics like `default`; in the context that ships, a window holds most runs as a whole."""
CRITICS = ("steps", "default", "windows", "small_windows", "strict", "with_patch")
LISTED = 200
"""Of more requests one hash of their sorted hashes is kept."""


@pytest.fixture(scope="module")
def recorder():
    """A recorder of this module's own: the fast half asks critics of the same names."""
    with recording() as server:
        yield server


@pytest.fixture(scope="module")
def ingested(shared: Path, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """The real runs, and the reference patches of their tasks."""
    product = Product.copy(tmp_path_factory.mktemp("requests"))
    for name, lines in READINGS.items():
        product.critic(name, like="default", **lines)
    for critic in CRITICS:
        product.critic(critic, endpoint=f"{{base_url: {recorder.base_url(critic)}}}")
    rows = pq.read_table(
        shared / "tasks" / "swe-bench" / "swe_bench_verified.parquet",
        columns=["instance_id", "patch"],
    ).to_pylist()
    tasks = product.home / "tasks" / "verified.jsonl"
    tasks.parent.mkdir(parents=True)
    tasks.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    product.run(
        ["ingest", shared / "trajectories" / folder, "--batch", batch]
        for batch, folder in BATCHES.items()
    )
    return product


def test_requests_of_every_critic(ingested: Product, recorder: Recorder, tmp_path: Path):
    def ask(critic: str) -> list[str]:
        """A home of its own for each, so that none is answered by what another paid for."""
        product = ingested.again(tmp_path / critic, state=True)
        product.srft("apply", f"step_verdicts/{critic}")
        [rows] = product.sql("SELECT key FROM critic_calls")
        return sorted(row["key"] for row in rows)

    with ThreadPoolExecutor(max_workers=2) as pool:
        ledgers = dict(zip(CRITICS, pool.map(ask, CRITICS), strict=True))
    found = {critic: sorted(hashes) for critic, hashes in recorder.hashes.items()}
    assert found == ledgers, "the ledger's key is the hash of the request"
    compare("requests", {critic: short(hashes) for critic, hashes in found.items()})


def short(hashes: list[str]) -> Any:
    """All of them, or how many there are and their hash."""
    if len(hashes) <= LISTED:
        return hashes
    return {"requests": len(hashes), "sha256": digest(hashes)}
