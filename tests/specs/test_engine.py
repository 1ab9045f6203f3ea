"""The engine knows no Dagster: what makes nothing never imports it."""

import sys
from pathlib import Path

import pytest

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
COMMANDS = {
    "plan": ("plan",),
    "plan exactly": ("plan", "--critic", "default", "--exact"),
    "stats": ("stats",),
    "sql": ("sql", "FROM runs"),
    "show": ("show", "a-bad", "--critic", "rules"),
    "critic history": ("critic", "history"),
    "apply": ("apply", "step_verdicts/rules", "masked_tokens/srft"),
    "export": ("export", "--arm", "srft", "--format", "openai", "--out", "OUT"),
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout.copy(tmp_path_factory.mktemp("checkout"))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_makes_nothing_imports_no_dagster(
    name: str, project: Project, checkout: Checkout, tmp_path: Path
):
    if name in ("apply", "export"):
        checkout.srft(project.home, "apply", *COMMANDS["apply"][1:])
    words = [str(tmp_path / "out") if word == "OUT" else word for word in COMMANDS[name]]
    ran = checkout.start(project.home, *words, program=[sys.executable, "-c", WATCHED])
    printed, _ = ran.communicate(timeout=200)
    assert ran.returncode == 0, printed
    assert printed.splitlines()[-1].strip() == "imported", printed
