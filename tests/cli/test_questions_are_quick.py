"""Questions to the warehouse wait for no Dagster: importing it takes longer than to answer."""

import json
import subprocess
import sys
from pathlib import Path

from srft_assets.home import CHECKOUT, Home
from tests.cli.conftest import environment

CODE = """
import json, sys
from srft_assets.cli import main

imported = {}
for words in json.loads(sys.argv[1]):
    sys.argv = ["srft", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code or words == ["compare"], words  # of no scores
    there = {"dagster", "torch", "transformers"} & {*sys.modules}
    imported[" ".join(words)] = sorted(there)
print(json.dumps(imported))
"""
QUESTIONS = [
    ["sql", "SELECT 1"],
    ["sql", "FROM label_shares"],
    ["stats"],
    ["plan"],
    ["plan", "--critic", "default", "--exact"],
    ["show", "one-0", "--critic", "rules"],
    ["critic", "history"],
    ["export", "--arm", "srft", "--format", "trl", "--out", "set", "--batch", "one", "--stale-ok"],
    ["apply", "step_verdicts/rules"],
    ["compare"],
]


def test_questions_import_no_dagster(masked: Home, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(QUESTIONS)],
        cwd=tmp_path,
        env={**environment(masked), "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    imported = json.loads(done.stdout.splitlines()[-1])
    assert imported == {" ".join(words): [] for words in QUESTIONS}
