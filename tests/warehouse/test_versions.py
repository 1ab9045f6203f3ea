"""A change of our own code makes nothing stale by itself: somebody decides, and the lock asks."""

import importlib.util
import subprocess
import sys

from srft_assets.components.asset import stages_in
from srft_assets.definitions import defs
from srft_assets.home import CHECKOUT

TOOL = CHECKOUT / "tools" / "versions.py"
spec = importlib.util.spec_from_file_location("versions", TOOL)
assert spec is not None and spec.loader is not None
versions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(versions)


def test_the_lock_knows_the_code_of_every_stage() -> None:
    ran = subprocess.run([sys.executable, TOOL, "--check"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_stage_has_the_version_stated_beside_its_make() -> None:
    stages = stages_in(defs())
    stated = versions.current()["versions"]
    assert len(stages) > 20
    for stage in stages.values():
        home = getattr(stage.make, "func", stage.make).__module__
        assert stage.code["version"] == stated[home], stage.key


def test_a_changed_module_is_told_with_the_stages_behind_which_it_stands() -> None:
    lock = versions.current()
    lock["modules"]["srft_assets.training.main"] = "another"
    assert versions.trouble(lock) == [
        "srft_assets.training.main changed; it stands behind srft_assets.training.stage"
    ]


def test_a_version_that_was_raised_is_told_until_it_is_recorded() -> None:
    lock = versions.current()
    lock["versions"]["srft_assets.tokens.stage"] += 1
    (line,) = versions.trouble(lock)
    assert line.startswith("versions are ")
