"""The tree of processes that the guard keeps."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import subprocess, sys, time
from srft_assets.processes import guard

class Slow(subprocess.Popen):
    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        time.sleep(0.3)

subprocess.Popen = Slow
tree = guard.Tree(["false"])
deadline = time.monotonic() + 60
while tree.status is None and time.monotonic() < deadline:
    tree.reap()
    time.sleep(0.01)
print(tree.status)
"""


def test_a_server_that_ends_at_once_is_noticed():
    """In a process of its own: a tree makes its process a subreaper."""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
