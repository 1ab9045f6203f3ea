"""How long the command line and the code location take to load.

Each figure is the median of fresh interpreters. The code location is measured beyond Dagster's
own import, and must load no torch, transformers, vllm or swebench.
"""

import argparse
import json
import statistics
import subprocess
import sys

HEAVY = ("torch", "transformers", "vllm", "swebench", "minisweagent", "trl", "peft", "datasets")

PROBE = """
import json, sys, time
start = time.perf_counter()
{first}
middle = time.perf_counter()
{second}
end = time.perf_counter()
heavy = [name for name in {heavy} if name in sys.modules]
print(json.dumps([middle - start, end - middle, heavy]))
"""


def measure(runs: int, first: str, second: str) -> tuple[float, float, list[str]]:
    """Median seconds of both statements in fresh interpreters, and heavy modules loaded."""
    code = PROBE.format(first=first, second=second, heavy=HEAVY)
    seen = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, check=True
            ).stdout.splitlines()[-1]
        )
        for _ in range(runs)
    ]
    first_s, second_s, heavy = zip(*seen, strict=True)
    return statistics.median(first_s), statistics.median(second_s), heavy[0]


def main() -> None:
    """Print both figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="interpreters a figure")
    runs = parser.parse_args().runs
    cli, _, heavy = measure(runs, "import srft_assets.cli", "pass")
    print(f"import srft_assets.cli: {cli:.2f} s (heavy modules: {heavy or 'none'})")
    load = "from srft_assets.definitions import defs; defs().resolve_asset_graph()"
    dagster, ours, heavy = measure(runs, "import dagster", load)
    print(
        f"code location: {ours:.2f} s beyond Dagster's own import of {dagster:.2f} s "
        f"(ratio {ours / dagster:.2f}; heavy modules: {heavy or 'none'})"
    )


if __name__ == "__main__":
    main()
