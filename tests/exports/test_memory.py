"""Ten times the data takes hardly more memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from srft_assets.tokens.token_labels import MaskedRow, Span
from tests.exports.conftest import Platform, text_run

RUNS, TOKENS, CHARS = 40, 50_000, 400_000
SCRIPT = """
import sys
from pathlib import Path
from srft_assets.home import Home
from tests.exports.conftest import Platform
platform = Platform(Home(Path(sys.argv[1])), Path(sys.argv[2]))
platform.export(sys.argv[3], Path(sys.argv[4]), *sys.argv[5:], stale_ok=True)
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def peak_kb(platform: Platform, form: str, out: Path, batches: list[str]) -> int:
    """Peak memory of a process that exports these batches."""
    folders = [str(platform.home.root), str(platform.tokenizer)]
    argv = [sys.executable, "-c", SCRIPT, *folders, form, str(out), *batches]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def fill(platform: Platform, batch: str, seed: int) -> None:
    """Runs of 50,000 tokens and 400,000 characters; 8 MB of ids and 16 MB of text a batch."""
    generator = np.random.default_rng(seed)
    letters = generator.integers(97, 123, CHARS, dtype=np.uint8).tobytes().decode()
    runs = [text_run(f"{batch}-{number}", "a", "b", letters[number:]) for number in range(RUNS)]
    platform.add(batch, *(text_run(run.trajectory_id) for run in runs))
    rows = []
    for run in runs:
        ids = generator.integers(0, 50_000, TOKENS, dtype=np.int32)
        spans = tuple(Span(step, 10 + step * 20, 20 + step * 20, True) for step in range(3))
        rows.append(MaskedRow(run.trajectory_id, "task", "resolved", ids, spans).as_row())
    from srft_assets.trajectories.model import rows_of

    platform.put("trajectories", rows_of(runs, batch), batch)
    platform.put_rows(batch, rows)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read the peak in")
@pytest.mark.parametrize("form", ["trl", "messages"])
def test_ten_batches_take_hardly_more_memory_than_one(platform_with, tmp_path, form):
    platform = platform_with()
    batches = [f"batch-{number}" for number in range(10)]
    for seed, batch in enumerate(batches):
        fill(platform, batch, seed)
    one = peak_kb(platform, form, tmp_path / "one", batches[:1])
    ten = peak_kb(platform, form, tmp_path / "ten", batches)
    print(f"{form}: {one} kB, {ten} kB, {ten / one:.3f}")
    assert ten <= 1.2 * one
