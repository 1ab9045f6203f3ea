"""A small platform with everything but training, made once for the fast half of the net."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.golden.product import Product
from tests.golden.recorder import Recorder, recording

RUNS = Path(__file__).with_name("runs")
ARMS = {
    "sft": "runs: all",
    "ruled": "critic: rules",
    "srft": "critic: default\nmask: [mistake]\nwhere: n_steps >= 1",
    "careful": "critic: strict\nmask: [mistake, unnecessary]",
}
READINGS = {
    "windows": "{tokens: 3000, observation_tokens: 300}",
    "steps": "{tokens: 32768, observation_tokens: 1000}",
}
"""Critics beside the shipped ones: their context, by their way of reading."""


@pytest.fixture(scope="session")
def recorder() -> Iterator[Recorder]:
    """The model that all critics ask."""
    with recording() as server:
        yield server


@pytest.fixture(scope="session")
def core(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """Two batches of five runs, labelled by six critics and masked for four arms."""
    root = tmp_path_factory.mktemp("golden")
    product = Product.copy(root)
    shutil.copytree(RUNS, product.sources)
    with_reference_patches(product)
    product.arms(ARMS)
    for reading, context in READINGS.items():
        product.critic(reading, like="default", reading=reading, context=context)
    asked = ("default", "strict", "with_patch", *READINGS)
    for critic in asked:
        product.critic(critic, endpoint=f"{{base_url: {recorder.base_url(critic)}}}")
    product.run(
        [
            ["ingest", product.sources / "a.jsonl", "--batch", "a"],
            ["ingest", product.sources / "b.jsonl", "--batch", "b"],
            ["apply", *(f"masked_tokens/{arm}" for arm in ARMS)],
            *(["apply", "--critic", critic] for critic in ("rules", *asked)),
        ]
    )
    return product


def with_reference_patches(product: Product) -> None:
    """Tasks of all failed runs but one, for the critic that sees the solution."""
    path = product.home / "tasks" / "core.jsonl"
    path.parent.mkdir(parents=True)
    tasks = [
        {"instance_id": name, "patch": f"+{name}\n"} for name in ("owner__sum-1", "owner__date-4")
    ]
    path.write_text("".join(f"{json.dumps(task)}\n" for task in tasks))
