"""Dagster's share of the wall time of `srft demo`, or of another command.

    python benchmarks/dagster_share.py [COMMAND…]

The command runs in a platform of its own. What its stages took, Dagster's event log says
(`seconds_to_make` of each partition); the rest of the command's wall time, from the start of the
interpreter on, is Dagster's and the command line's.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from srft_assets.components.asset import SECONDS, stages_in
from srft_assets.components.launch import open_instance
from srft_assets.definitions import defs
from srft_assets.home import Home


def main(words: Sequence[str]) -> None:
    """Print both times and their ratio."""
    program = [sys.executable, "-c", "from srft_assets.cli import main; main()", *words]
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        start = time.perf_counter()
        env = {**os.environ, "SRFT_HOME": folder}
        subprocess.run(program, env=env, check=True, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - start
        made = seconds_of_stages(home)
    print(
        f"srft {' '.join(words)}: {wall:.0f} s, of which {made:.3f} s in stages; "
        f"Dagster and the command line {wall - made:.1f} s ({(wall - made) / wall:.1%})"
    )


def seconds_of_stages(home: Home) -> float:
    """Seconds that all partitions together took to make."""
    with open_instance(home) as instance:
        events = [
            record.asset_materialization
            for key in stages_in(defs())
            for record in instance.fetch_materializations(
                dg.AssetKey(key.split("/")), limit=1000
            ).records
        ]
    told = [event.metadata.get(SECONDS) for event in events if event]
    return sum(float(each.value) for each in told if each)


if __name__ == "__main__":
    main(sys.argv[1:] or ["demo", "--runs", "160"])
