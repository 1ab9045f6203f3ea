"""Every stage without a model or training, on every folder of real runs."""

from pathlib import Path

import pytest

from tests.golden.golden import compare
from tests.golden.product import Product

pytestmark = [pytest.mark.golden, pytest.mark.timeout(900)]

FOLDERS = (
    "hf-samples",
    "mini-swe-agent-fixtures",
    "mini-swe-agent-v1",
    "openhands-fixtures",
    "openhands-v0.15",
    "swe-agent-fixtures",
    "swe-smith-fixtures",
)
ARMS = ("sft", "srft", "unresolved_masked", "random_mask")


def test_partitions_of_real_runs(shared: Path, tmp_path: Path):
    product = Product.copy(tmp_path)
    ingest = [
        ["ingest", shared / "trajectories" / name, "--batch", name.replace(".", "-")]
        for name in FOLDERS
    ]
    told = product.run([*ingest, ["apply", *(f"masked_tokens/{arm}" for arm in ARMS)]])
    compare("shared-partitions", product.partitions())
    refused, reasons = product.sql(
        'SELECT asset, "partition" AS batch, source, "row", reason FROM quarantine ORDER BY ALL',
        "SELECT rule, label, count(*) AS steps FROM step_verdicts GROUP BY ALL ORDER BY ALL",
    )
    compare("shared-refusals", refused)
    compare("shared-verdicts", reasons)
    lines = {name: text.splitlines()[-1:] for name, text in zip(FOLDERS, told, strict=False)}
    compare("shared-ingest", lines)
