"""A critic's code counts by what it means, and its verdicts by what they say."""

from pathlib import Path

from tests.specs.checkout import Checkout
from tests.specs.project import Project

RULES = "srft_assets/critic/rules/critic.py"
ARM = "masked_tokens/srft"
"""The shipped arm, which trains on the critic `rules`."""


def made(printed: str) -> dict[str, str]:
    """Partitions by asset, of the lines `made <asset>: <partitions>`."""
    lines = (line.strip() for line in printed.splitlines())
    pairs = (line.removeprefix("made ").split(": ") for line in lines if line.startswith("made "))
    return dict(pairs)


def test_the_code_of_the_rules_critic(project: Project, tmp_path: Path):
    checkout = Checkout.copy(tmp_path / "checkout")

    checkout.edit(
        RULES, '"""Submission of no patch, or none that is known, without an edit."""', "# Idle.\n"
    )
    assert made(checkout.srft(project.home, "apply", ARM)) == {ARM: "a, b"}

    checkout.edit(RULES, "there.commands == here.commands", "here.commands == there.commands")
    again = made(checkout.srft(project.home, "apply", ARM))
    assert again == {"step_verdicts/rules": "a, b"}, "the same verdicts mask the same tokens"

    checkout.edit(RULES, "repeated_action, Label.UNNECESSARY", "repeated_action, Label.MISTAKE")
    again = made(checkout.srft(project.home, "apply", ARM))
    assert again == {"step_verdicts/rules": "a, b", ARM: "a, b"}
