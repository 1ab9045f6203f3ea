"""A small project with source releases in a local folder, beside whatever index pip has."""

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from srft_sdists import recipes, source
from srft_sdists.build import Cache, NotBuiltError
from srft_sdists.grader import grade_instance

from srft_assets.errors import SandboxMissingError
from srft_assets.home import Home
from srft_assets.outcomes.grader_choice import Grading
from srft_assets.outcomes.status import TestOutcome
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import open_sandbox
from tests.outcomes.conftest import diff

PROJECT = "srft-sdist-test-project"
RECIPE = {
    "project": PROJECT,
    "runner": "pytest",
    "path": ["src"],
    "tests": ["tests"],
    "missing": {"src/adder/_version.py": "version = '{version}'\n"},
    "requires": ["pytest<9"],
    "environments": [{"versions": ">=1.0"}],
}
BROKEN = "def add(a, b):\n    return a - b\n"
FIXED = BROKEN.replace("a - b", "a + b")
OLD_TESTS = "from adder.core import add\n\n\ndef test_zero():\n    assert add(0, 0) == 0\n"
NEW_TESTS = (
    f"{OLD_TESTS}\n\ndef test_add():\n    assert add(1, 2) == 3\n\n\n"
    "def test_only_in_the_checkout():\n    assert open('NOTES').read() == 'notes\\n'\n"
)
SETUP = (
    "from setuptools import setup\n"
    f"setup(name='{PROJECT}', version='{{version}}', packages=['adder'], "
    "package_dir={{'': 'src'}})\n"
)


def files_of(version: str, core: str, tests: str) -> dict[str, str]:
    """A release of the project; NOTES and README are in the checkout only."""
    return {
        "setup.py": SETUP.format(version=version),
        "src/adder/__init__.py": "",
        "src/adder/_version.py": f"version = '{version}'\n",
        "src/adder/core.py": core,
        "tests/test_core.py": tests,
        "tests/conftest.py": "",
    }


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, with a name."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    argv = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def edit(body: str) -> str:
    """A patch that replaces the body of `add`."""
    return diff("src/adder/core.py", "    return a - b", body)


RIGHT = edit("    return b + a")


@dataclass(frozen=True)
class World:
    """A platform, the task, and a plain clone of its repository."""

    home: Home
    task: TaskInstance
    mirrors: Path

    def grade(self, patch: str | None, *, mirror: bool = False, seconds: int = 60) -> TestOutcome:
        """Outcome of a patch, from a release or from the clone."""
        sources = str(self.mirrors) if mirror else None
        grading = Grading(grader="local", timeout=seconds, sources=sources)
        return grade_instance(self.task, patch, self.home, grading)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Skips where there is no sandbox, or no index to make environments from."""
    try:
        open_sandbox()
    except SandboxMissingError as error:
        pytest.skip(str(error))
    root = tmp_path_factory.mktemp("sdists")
    home = Home(root / "home")
    table = root / "recipes.yaml"
    ours = yaml.safe_load(recipes.TABLE.read_text())
    table.write_text(yaml.safe_dump({**ours, "demo/adder": RECIPE}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "TABLE", table)
        patch.setenv("PIP_FIND_LINKS", f"{_releases(root)} {os.environ.get('PIP_FIND_LINKS', '')}")
        patch.setenv("SRFT_GIT_HOST", "")
        recipes.recipes.cache_clear()
        source._versions.cache_clear()
        try:
            source._pip(Cache.of(home))
        except NotBuiltError as error:
            pytest.skip(f"pip has no index here: {error}")
        yield World(home, *_repository(root))
    recipes.recipes.cache_clear()
    source._versions.cache_clear()


def _releases(root: Path) -> Path:
    """1.0a1 is before the fix, 1.0 and 1.1 hold it."""
    links = root / "links"
    links.mkdir()
    made = [
        ("1.0a1", BROKEN, OLD_TESTS),
        ("1.0", FIXED, NEW_TESTS),
        ("1.1", f"{FIXED}\n\nNEW = 1\n", NEW_TESTS),
    ]
    for version, core, tests in made:
        name = f"{PROJECT.replace('-', '_')}-{version}"
        with tarfile.open(links / f"{name}.tar.gz", "w:gz") as archive:
            for path, content in files_of(version, core, tests).items():
                member = tarfile.TarInfo(f"{name}/{path}")
                member.size = len(content.encode())
                archive.addfile(member, io.BytesIO(content.encode()))
    return links


def _repository(root: Path) -> tuple[TaskInstance, Path]:
    """The task, and the folder of the clone `demo__adder`."""
    clone = root / "mirrors" / "demo__adder"
    clone.mkdir(parents=True)
    git(clone, "init", "-q")
    start = files_of("0", BROKEN, OLD_TESTS) | {"NOTES": "notes\n", "README": "old\n"}
    del start["src/adder/_version.py"]
    for path, content in start.items():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_text(content)
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "start")
    base = git(clone, "rev-parse", "HEAD").strip()
    (clone / "src/adder/core.py").write_text(FIXED)
    (clone / "README").write_text("new\n")
    patch = git(clone, "diff")
    git(clone, "commit", "-qam", "fix")
    (clone / "tests/test_core.py").write_text(NEW_TESTS)
    test_patch = git(clone, "diff")
    git(clone, "commit", "-qam", "test the fix")
    task = TaskInstance(
        instance_id="demo__adder-7",
        repo="demo/adder",
        base_commit=base,
        version="1.0",
        problem_statement="add is wrong",
        patch=patch,
        test_patch=test_patch,
        FAIL_TO_PASS=["tests/test_core.py::test_add"],
        PASS_TO_PASS=[
            "tests/test_core.py::test_zero",
            "tests/test_core.py::test_only_in_the_checkout",
        ],
    )
    return task, clone.parent
