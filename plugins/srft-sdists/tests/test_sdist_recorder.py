"""The recorder under a program that runs unittest itself, with every Python that is here."""

import json
import subprocess
from pathlib import Path

import pytest
from srft_sdists.environment import interpreter

from srft_assets.outcomes import recorder
from srft_assets.outcomes.results import tally, wanted_file

SCRIPT = """
import sys, unittest
assert sys.argv == ["runner.py", "--verbosity", "2", "cases"], sys.argv
suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[3:])
result = unittest.TextTestRunner(verbosity=2, resultclass=None).run(suite)
sys.exit(bool(result.failures))
"""
CASES = """
import os, sys, unittest
from library import answer

class Cases(unittest.TestCase):
    def test_plain(self):
        self.assertEqual(answer, 42)

    def test_described(self):
        '''Answers are
        right.'''

    def test_wrong(self):
        '''It is wrong.'''
        self.fail()

    def test_unasked(self):
        self.fail('only wanted tests are run')

    def test_paths(self):
        self.assertEqual(os.environ['PYTHONPATH'], sys.path[1])
        self.assertNotIn('TESTED_PATH', os.environ)
"""


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12"])
def test_both_lines_of_a_test_are_recorded(tmp_path: Path, version: str) -> None:
    found = interpreter(version)
    if found is None:
        pytest.skip(f"no Python {version} on this machine")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "library.py").write_text("answer = 42\n")
    (tmp_path / "lib" / "json.py").write_text("raise SystemExit('shadowed')\n")
    (tmp_path / "runner.py").write_text(SCRIPT)
    (tmp_path / "cases.py").write_text(CASES)
    good = [
        "test_plain (cases.Cases)",
        "test_plain (cases.Cases.test_plain)",
        "Answers are",
        "test_described (cases.Cases)",
        "test_paths (cases.Cases)",
    ]
    wrong = ["It is wrong.", "test_wrong (cases.Cases)"]
    arguments = ["runner.py", "--verbosity", "2", "cases"]
    (tmp_path / "wanted.json").write_bytes(wanted_file([*good, *wrong], arguments))
    done = subprocess.run(
        [found.program, recorder.__file__, "r.jsonl", "wanted.json", "script"],
        cwd=tmp_path,
        env={"TESTED_PATH": str(tmp_path / "lib"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    results = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert results[-1] == ["done", "1"]
    assert tally([*good, *wrong], results).missing == tuple(wrong)
    assert not any("unasked" in test for test, _ in results)
