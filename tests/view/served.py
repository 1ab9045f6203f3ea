"""The pages of a platform, on a port of their own."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import polars as pl
import uvicorn

from srft_assets.critic.verdict import STEP_VERDICTS
from srft_assets.home import CHECKOUT, Home
from srft_assets.integrity.finding import INTEGRITY
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.platform.stages import load_stages
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.stage import masked_tokens_stage
from srft_assets.trajectories.ingest import ingest
from srft_assets.view.access import OPEN, Keys, address
from srft_assets.view.app import view_app
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.partitions import Warehouse, data_version
from tests.outcomes.conftest import make
from tests.trajectories.ingest_support import run_of, write_lines

SCRIPT = "<script>window.owned = 1</script>"
IMAGE = "<img src=x onerror='window.owned = 2'>"
MARKDOWN = "[click](javascript:window.owned=3)"
HOSTILE = (
    f"{SCRIPT}{IMAGE}{MARKDOWN} \x1b[31mred\x1b[0m \x1b]0;owned\x07 \u202etxt.exe \x00 {{{{7*7}}}}"
)
LONG = "x" * 10_000_000
PATCH = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-old\n+new <b>\n"
STEPS = 6
LABELS = ["good", "unnecessary", "mistake", "recover", "good", "unlabeled"]
ARM = ArmSpec(
    name="seen",
    model=str(CHECKOUT / "srft_assets" / "lab" / "base_weights"),
    critic="one",
    weights={"unnecessary": 0.25, "recover": 1, "good": 0.5},
    unlabeled="train",
)


@dataclass
class Served:
    """A server, and the keys of its door."""

    port: int
    keys: Keys
    home: Home

    def link(self) -> str:
        """One that nobody used yet."""
        return f"{address(self.port, OPEN)}?token={self.keys.link()}"

    def at(self, path: str) -> str:
        """The address of a page."""
        return address(self.port, path)


def filled(home: Home) -> Home:
    """Three plain runs (`plain`) and one whose every text is hostile (`hostile`), all unresolved;
    judged by `one`, and by `two`, which says otherwise of the third step of each. The arm `seen`
    has masked the plain ones."""
    hostile = run_of("hostile", turns=STEPS)
    for message in hostile["messages"]:
        message["content"] += f"\n{HOSTILE}"
    hostile["messages"][-1]["content"] += LONG
    hostile |= {"resolved": False, "patch": PATCH + HOSTILE.replace("\x00", "")}
    plain = [{**run_of(name, STEPS), "resolved": False, "patch": PATCH} for name in "abc"]
    for batch, rows in (("hostile", [hostile]), ("plain", plain)):
        ingest(home, [write_lines(home.root / "sources" / f"{batch}.jsonl", rows)])
        for asset in ("trajectories", "test_outcomes", "integrity", "step_verdicts/rules"):
            make(home, load_stages()[asset], batch)
        _judge(home, batch)
    make(home, masked_tokens_stage(ARM), "plain")
    _find(home, "hostile")
    build_catalogue(home, SCHEMAS)
    return home


def _judge(home: Home, batch: str) -> None:
    """Verdicts of two critics that nobody asked, with hostile reasons, in two versions."""
    warehouse = Warehouse(home.warehouse)
    stamp = warehouse.stamp("step_verdicts/rules", batch)
    assert stamp is not None
    runs = warehouse.read("trajectories", batch, ["trajectory_id"])["trajectory_id"]
    for critic, third in (("one", "mistake"), ("two", "good")):
        labels = [*LABELS[:2], third, *LABELS[3:]]
        rows = [
            (run, step, label, f"{label} for {critic}: {HOSTILE}", "rule", "", "v1", 0)
            for run in runs
            for step, label in enumerate(labels)
        ]
        frame = pl.DataFrame(rows, STEP_VERDICTS, orient="row")
        version = data_version(frame, stamp.volatile or ())
        own = replace(stamp, data_version=version, rows=frame.height)
        warehouse.write(f"step_verdicts/{critic}", batch, frame, own)
        for version, label in (("v1", third), ("v0", "recover")):
            older = pl.when(pl.col("step_index") == 2).then(pl.lit(label)).otherwise("label")
            kept = frame.with_columns(label=older, version=pl.lit(version))
            warehouse.write(f"verdict_versions/{critic}/{batch}", version, kept, stamp)
    warehouse.path("step_verdicts/rules", batch).unlink()
    for file in (home.warehouse / "verdict_versions" / "rules").rglob("*.parquet"):
        file.unlink()


def _find(home: Home, batch: str) -> None:
    """A finding of integrity, in hostile words, on the second step of each run."""
    warehouse = Warehouse(home.warehouse)
    stamp = warehouse.stamp("trajectories", batch)
    assert stamp is not None
    runs = warehouse.read("trajectories", batch, ["trajectory_id", "instance_id"])
    rows = [(*run, 1, "reads_fix", "upstream", True, HOSTILE) for run in runs.rows()]
    warehouse.write("integrity", batch, pl.DataFrame(rows, INTEGRITY, orient="row"), stamp)


@contextmanager
def serving(home: Home) -> Iterator[Served]:
    """The pages of a platform, in a thread of this process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    keys = Keys()
    config = uvicorn.Config(
        view_app(home, keys, port), host="127.0.0.1", port=port, log_level="warning"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    yield Served(port, keys, home)
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()
