"""The engine knows no Dagster: what makes nothing never imports it."""

import sys
from pathlib import Path

from tests.specs.checkout import Checkout
from tests.specs.project import Project

WATCHED = """
import sys
from srft_assets.cli import main
try:
    main()
finally:
    print("imported", *sorted({"dagster", "torch", "transformers"} & set(sys.modules)))
"""
MAKES = ("apply", "step_verdicts/rules", "masked_tokens/srft")
COMMANDS = (
    ("plan",),
    ("plan", "--critic", "default", "--exact"),
    ("stats",),
    ("sql", "FROM runs"),
    ("show", "a-bad", "--critic", "rules"),
    ("critic", "history"),
    MAKES,
    ("export", "--arm", "srft", "--format", "openai", "--out", "OUT"),
)


def test_a_command_that_makes_nothing_imports_no_dagster(project: Project, tmp_path: Path):
    checkout = Checkout.copy(tmp_path / "checkout")
    checkout.srft(project.home, *MAKES)
    for command in COMMANDS:
        words = [str(tmp_path / "out") if word == "OUT" else word for word in command]
        ran = checkout.start(project.home, *words, program=[sys.executable, "-c", WATCHED])
        printed, _ = ran.communicate(timeout=200)
        assert ran.returncode == 0, (command, printed)
        assert printed.splitlines()[-1].strip() == "imported", (command, printed)
