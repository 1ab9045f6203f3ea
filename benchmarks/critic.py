"""What the critic's client costs: calls of a fixed length, against the ideal.

python benchmarks/critic.py [--calls 2000] [--concurrency 32] [--delay 1] [--prompt-kb 40]

The server runs in a process of its own. The ideal is calls / concurrency × delay.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from srft_assets.critic.answer import constraint
from srft_assets.critic.asking import Asking
from srft_assets.critic.calls import Reply, Request
from srft_assets.critic.client import Client
from srft_assets.critic.exchanges import Exchange
from srft_assets.critic.ledger import Ledger
from srft_assets.critic.spec import Endpoint, LlmSpec
from srft_assets.home import Home
from tests.critic.server import serving_apart

STEPS = 40


def requests(calls: int, prompt_kb: int) -> Iterator[Request]:
    """Prompts of one size, each another one, rendered as they are taken."""
    steps = range(STEPS)
    wanted = constraint(steps, LlmSpec(kind="llm", model="critic"))
    line = 'Step: sed -n "1,80p" tests/test_forms.py\n<output>\n    return value\n</output>\n'
    for call in range(calls):
        text = f"Run {call}\n" + line * (prompt_kb * 1024 // len(line))
        messages = [
            {"role": "system", "content": "Label every step of the run."},
            {"role": "user", "content": text},
        ]
        body = {"model": "critic", "messages": messages, "temperature": 0.0, "max_tokens": 3264}
        yield Request({**body, **wanted}, steps, about=f"run-{call}")


class Counted(Ledger):
    """A ledger that notes the memory of this process at a tenth of the calls and at the end."""

    def __init__(self, home: Home, calls: int) -> None:
        super().__init__(home)
        self.marks = (calls // 10, calls)
        self.kept = 0
        self.memory: list[float] = []

    def keep(self, reply: Reply) -> Reply:
        """Keep it, and count."""
        kept = super().keep(reply)
        self.kept += 1
        if self.kept in self.marks:
            self.memory.append(psutil.Process().memory_info().rss / 2**20)
        return kept


async def measure(url: str, home: Home, given: argparse.Namespace) -> dict[str, Any]:
    """Wall time, CPU time and memory of the client while it asks everything once and keeps it."""
    spec = LlmSpec(kind="llm", model="critic")
    endpoint = Endpoint(concurrency=given.concurrency)
    asked = requests(given.calls, given.prompt_kb)
    with Counted(home, given.calls) as ledger:
        async with Client(endpoint, url, api_key="sk-benchmark") as client:
            began, cpu = time.perf_counter(), time.process_time()
            asking = Asking(ledger, client, lambda exchange: None, "benchmark", "batch")
            await asking.run(Exchange(0, spec, each) for each in asked)
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    kept, memory = ledger.kept, ledger.memory
    ideal = given.calls / given.concurrency * given.delay
    return {
        "calls": kept,
        "wall_s": round(wall, 2),
        "ideal_s": round(ideal, 2),
        "wall_to_ideal": round(wall / ideal, 3),
        "client_cpu_ms_a_call": round(cpu / kept * 1000, 2),
        "rss_mb_at_10_percent": round(memory[0], 1),
        "rss_mb_at_the_end": round(memory[1], 1),
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--delay", type=float, default=1.0)
    parser.add_argument("--prompt-kb", type=int, default=40)
    given = parser.parse_args()
    with serving_apart("--delay", given.delay) as url, tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        print(json.dumps(asyncio.run(measure(url, home, given)), indent=2))


if __name__ == "__main__":
    main()
