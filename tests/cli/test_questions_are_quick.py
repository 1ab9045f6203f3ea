"""Questions to the warehouse wait for no Dagster: importing it takes longer than to answer."""

import subprocess
import sys

import pytest

from srft_assets.home import CHECKOUT
from tests.cli.conftest import environment

CODE = """
import sys
from srft_assets.cli import main
try:
    main()
finally:
    print([name for name in ("dagster", "torch", "transformers") if name in sys.modules])
"""


@pytest.mark.parametrize(
    "words",
    [
        ["sql", "SELECT 1"],
        ["sql", "FROM label_shares"],
        ["stats"],
        ["plan"],
        ["show", "one-0"],
        ["compare"],
        ["export", "--arm", "sft", "--format", "trl", "--out", "set"],
        ["apply", "step_verdicts/rules"],
    ],
    ids=" ".join,
)
def test_a_question_imports_no_dagster(once_filled, tmp_path, words):
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words],
        cwd=tmp_path,
        env={**environment(once_filled), "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
