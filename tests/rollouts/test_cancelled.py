"""A game that is cancelled on a node leaves no container there."""

import os
import subprocess
import sys
from pathlib import Path

DOCKER = """#!/bin/sh
echo "$1 $2 $3" >> "$0.asked"
if [ "$1" = ps ]; then echo c1; fi
"""
PLAYS = """
import sys, time
from pathlib import Path
from srft_assets.home import Home
from srft_assets.rollouts.player import cleared
with cleared(Home(Path(sys.argv[1])), "mine", "docker"):
    print("plays", flush=True)
    time.sleep(600)
"""


def test_sigterm_removes_the_containers(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o700)
    with subprocess.Popen(
        [sys.executable, "-c", PLAYS, str(tmp_path / "home")],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "plays\n"
        asked = tmp_path / "docker.asked"
        assert asked.read_text().count("rm --force c1") == 1, "what a killed process left"
        process.terminate()
        assert process.wait(60) == 143
    assert asked.read_text().count("rm --force c1") == 2
