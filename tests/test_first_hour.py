"""docs/first-hour.md: its commands, run in their order with the wheel, print what it shows."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from srft_assets.home import CHECKOUT
from tests.conftest import SHARED
from tests.critic.server import serving
from tests.trajectories.ingest_support import run_of, write_lines

PAGE = CHECKOUT / "docs" / "first-hour.md"
REAL = SHARED / "trajectories" / "mini-swe-agent-v1"
URL = "http://localhost:8000/v1"
CHANGING = [
    (r"/\S*/my-agent", "PROJECT"),
    (r"\b[0-9a-f]{8}\b", "VERSION"),
    (r"\d{8}T\d{6}-(\w+)-\d+", r"TIME-\1"),
    (r"\d+ (s|min)\b", "TIME"),
    (r"(?<=8\.8 ) *\d+\.\d$", "STEPS"),  # of sampled attempts
    (r"\s+", " "),
]
"""What another machine or minute prints in another way."""


def stable(line: str) -> str:
    for pattern, name in CHANGING:
        line = re.sub(pattern, name, line)
    return line.strip()


def shown() -> list[tuple[str, list[str]]]:
    """Each command of the page, with the lines that it printed; those of `…` are cut."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            elif (told := stable(line)) and told != "…":
                found[-1][1].append(told)
    return found


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the wheel, with the packages of this one behind."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("no uv beside this Python to make a wheel with")
    folder = tmp_path_factory.mktemp("wheel")
    python = folder / "venv/bin/python"
    quiet = {"check": True, "cwd": folder}
    build = [uv, "build", "--quiet", "--wheel", "--out-dir", folder, CHECKOUT]
    subprocess.run(build, **quiet)
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], **quiet)
    [wheel] = folder.glob("*.whl")
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", python, wheel]
    subprocess.run(install, **quiet)
    [packages] = (folder / "venv").glob("lib/*/site-packages")
    (packages / "behind.pth").write_text(sysconfig.get_path("purelib") + "\n")
    told = subprocess.run(
        [python, "-c", "import srft_assets; print(srft_assets.__file__)"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert told.stdout.startswith(str(packages)), "the wheel, not the checkout"
    return python.parent


@pytest.fixture(scope="module")
def printed(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """What each command of the page prints to a user who has runs in ~/runs."""
    user = tmp_path_factory.mktemp("user")
    if REAL.is_dir():
        (user / "runs").symlink_to(REAL)
    else:
        rows = [{**run_of(f"task-{n}"), "resolved": n % 2 == 0, "patch": "x"} for n in range(8)]
        write_lines(user / "runs" / "runs.jsonl", rows)
    with serving() as server:
        lines = ["exec 2>&1"]
        for number, (command, _) in enumerate(shown()):
            lines += [f"echo; echo === {number}", command.replace(URL, server.base_url)]
            lines.append('code=$?; [ $code = 0 ] || { echo "exit $code"; exit $code; }')
        env = {name: value for name, value in os.environ.items() if not name.startswith("SRFT_")}
        path = f"{programs}{os.pathsep}{env['PATH']}"
        env |= {"HOME": str(user), "PATH": path, "COLUMNS": "100", "DAGSTER_HOME": ""}
        done = subprocess.run(
            ["bash", "-c", "\n".join(lines)], cwd=user, env=env, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stdout[-4000:]
    yield re.split(r"^=== \d+$", done.stdout, flags=re.M)[1:]
    shutil.rmtree(user, ignore_errors=True)


def test_the_page_goes_from_runs_to_a_comparison():
    commands = " ; ".join(command for command, _ in shown())
    for step in ("init", "ingest", "plan", "critic try", "apply", "critic diff", "compare"):
        assert f"srft {step} " in commands
    assert "srft status" in commands


@pytest.mark.timeout(2400)
def test_every_command_ends_well_and_prints_what_the_page_shows(printed: list[str]):
    assert len(printed) == len(shown())
    if not REAL.is_dir():
        return
    gone = []
    for (command, lines), output in zip(shown(), printed, strict=True):
        there = [stable(line) for line in output.splitlines()]
        if missing := [line for line in lines if line not in there]:
            gone.append(f"$ {command}\n{output}\nlacks {missing}")
    assert gone == [], "\n\n".join(gone)
