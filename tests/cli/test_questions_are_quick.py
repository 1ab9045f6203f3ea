"""Questions to the warehouse wait for no Dagster: importing it takes longer than to answer."""

import os
import subprocess
import sys

import pytest

CODE = """
import sys
from srft_assets.cli import main
try:
    main()
finally:
    print([name for name in ("dagster", "torch", "transformers") if name in sys.modules])
"""


@pytest.mark.parametrize("words", [["sql", "SELECT 1"], ["sql", "FROM label_shares"], ["stats"]])
def test_a_question_imports_no_dagster(tmp_path, words):
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words],
        env={**os.environ, "SRFT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
