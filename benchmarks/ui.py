"""How long Dagster's pages take to show what they are for, in headless Chromium; pictures of them.

340 batches of one run, the ten shipped arms and four critics, whose model is another than that
which made their verdicts, so that pages have something to say. Prints one JSON object: of each page
the seconds from asking for its address to its content, the first time and the median of the others.
`--pictures FOLDER` keeps a picture of each page. Needs `chromium`.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import plan
from srft_assets.components.asset import stages_in
from srft_assets.components.launch import open_instance
from srft_assets.components.partitioning import to_know
from srft_assets.components.run_repair import untold
from srft_assets.definitions import defs
from srft_assets.home import Home
from srft_assets.trajectories.batches import batch_names
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.stage import in_order

STEPS = 5
START_SECONDS = 300
ASSET = "/assets/step_verdicts/default"
PAGES = {
    "no assets": ("/runs", "text=Launched by"),
    "catalogue": ("/assets", "text=Asset name", "text=1 partition"),
    "graph": ("/asset-groups", "[placeholder^=Jump]", "foreignObject:has-text('masked_tokens')"),
    "arm": (
        "/asset-groups~%2Btag%3Aarm%3Dsrft/",
        "[placeholder^=Jump]",
        "foreignObject:has-text('masked_tokens')",
    ),
    "asset": (ASSET, "text=Description", "text=Latest materialization"),
    "partitions": (
        f"{ASSET}?view=partitions",
        "text={batches} Partitions Selected",
        "text={batch}",
    ),
    "partition": (ASSET + "?view=partitions&partition={batch}", "text={batch}", "text=why"),
    "checks": (f"{ASSET}?view=checks&checkDetail=in_sync", "text=in_sync", "text={batches} stale"),
}
"""By name the address, and what has to be seen there; the first is what Dagster takes by itself."""
LOADED = "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }"


def platform(home: Home, batches: int, sources: Path) -> None:
    """All partitions there and known to Dagster; the first seed of each arm."""
    sources.mkdir(parents=True)
    for row in plan.runs(batches, STEPS):
        (sources / f"{row['instance_id']}.json").write_text(json.dumps(row))
    ingest(home, [sources], batch="mine", batch_size=1)
    loaded = defs()
    stages = stages_in(loaded)
    plan.SEEDS[:] = ["0"]
    plan.fill(home, stages)
    names = plan.names_of(home)
    with open_instance(home) as instance:
        for kind, known in to_know(loaded.resolve_asset_graph().assets_defs, home).items():
            instance.add_dynamic_partitions(kind, known)
        for stage in in_order(stages):
            for event in untold(instance, stage, home, names(stage.partitioned_by)):
                instance.report_runless_asset_event(event)


@contextmanager
def opened(home: Home) -> Iterator[str]:
    """The address of `srft dev` on the platform, once its code is loaded."""
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        port = some.getsockname()[1]
    words = [sys.executable, "-c", "from srft_assets.cli import main; main()", "dev"]
    process = subprocess.Popen(
        [*words, "--port", str(port)],
        # Another model is as good as another prompt: all verdicts of the critics are stale.
        env={**os.environ, "SRFT_HOME": str(home.root), "SRFT_CRITIC_MODEL": "another"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while "LOADED" not in _asked(address) and time.monotonic() < deadline:
            time.sleep(1)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=90)


def _asked(address: str) -> str:
    body = json.dumps({"query": LOADED}).encode()
    headers = {"content-type": "application/json"}
    try:
        request = urllib.request.Request(f"{address}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def measured(
    address: str, rounds: int, pictures: Path | None, batches: Sequence[str]
) -> dict[str, Any]:
    """Seconds by page, each opened `rounds` times in a browser that was open before."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    seconds: dict[str, list[float]] = {name: [] for name in PAGES}
    with sync_playwright() as play:
        # Chromium has no sandbox for root, and asks nobody but our own server here.
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 640})
        _more_room(context, address)
        for _ in range(rounds):
            for name, stated in PAGES.items():
                known = {"batches": len(batches), "batch": batches[0]}
                path, *wanted = (one.format(**known) for one in stated)
                page = context.new_page()
                began = time.perf_counter()
                page.goto(address + path, wait_until="commit")
                for one in wanted:
                    page.locator(one).first.wait_for(timeout=60_000)
                seconds[name].append(time.perf_counter() - began)
                if pictures:
                    page.wait_for_timeout(2000)
                    page.screenshot(path=pictures / f"{name}.png")
                page.close()
        browser.close()
    return {
        name: {"first": round(took[0], 1), "again": round(statistics.median(took[1:] or took), 1)}
        for name, took in seconds.items()
    }


def _more_room(context: Any, address: str) -> None:
    """Fold the bar at the left away; the browser remembers."""
    page = context.new_page()
    page.goto(f"{address}/asset-groups")
    page.locator("text=Hide navigation").click(timeout=60_000)
    page.wait_for_timeout(1000)
    page.close()


def main(arguments: Sequence[str]) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=340)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each page")
    parser.add_argument("--folder", type=Path, help="where the platform is made, and stays")
    settle = "seconds before the first page, until the sensors have told of every partition"
    parser.add_argument("--settle", type=float, default=90, help=settle)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.folder or Path(scratch)).resolve()
        home = Home(folder / "home")
        if not home.root.exists():
            platform(home, given.batches, folder / "runs")
        with opened(home) as address:
            time.sleep(given.settle)
            told = measured(address, given.rounds, given.pictures, batch_names(home))
    print(json.dumps({"batches": given.batches, "seconds": told}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
