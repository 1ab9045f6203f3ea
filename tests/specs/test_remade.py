"""Change one thing: exactly what depends on it is made again, and nothing is paid for twice."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from srft_assets.warehouse.plan import Costs
from tests.critic.server import Server
from tests.specs.conftest import write_batch
from tests.specs.project import CRITICS, Project, out_of_sync

ARM_OF = {"rules": "ruled", "default": "srft", "strict": "careful"}
"""The arm that trains on a critic's verdicts."""


def words(critic: str, old: str, new: str) -> Callable[[Project], None]:
    """One word of a critic's prompt."""
    return lambda project: project.critic(critic, old, new, "prompt.md")


def setting(line: str) -> Callable[[Project], None]:
    """A further line of the attributes of the critic `default`."""
    return lambda project: project.critic("default", "judge: failed", f"judge: failed\n  {line}")


def layout(project: Project) -> None:
    """Comments, blank lines, quotes and line ends."""
    project.critic("default", "  judge: failed", "\n\n  # whom to judge\n  judge:   'failed'  ")
    project.arm("srft", "critic: default", 'critic: "default"   # whose verdicts')


def relabelled(critic: str, *batches: str) -> set[str]:
    """What depends on the verdicts of a critic."""
    verdicts = {f"step_verdicts/{critic}/{batch}" for batch in batches}
    masks = {f"masked_tokens/{ARM_OF[critic]}/{batch}" for batch in batches}
    return verdicts | masks | {f"critic_scores/{critic}/all"}


def from_runs(batch: str) -> set[str]:
    """What depends on the runs of a batch."""
    below = {"trajectories", "test_outcomes", "integrity", "masked_tokens/sft"}
    everyone = set().union(*(relabelled(critic, batch) for critic in CRITICS))
    return {f"{asset}/{batch}" for asset in below} | everyone | {"gold_labels/all"}


def another_run(project: Project) -> None:
    """Another action in one of the failed runs of batch a."""
    path = project.root / "runs" / "a.jsonl"
    path.write_text(path.read_text().replace("ls a-bad", "ls -a a-bad", 1))
    project.ingest(["a"])


def another_layout(project: Project) -> None:
    """White space between the JSON values of a source."""
    path = project.root / "runs" / "a.jsonl"
    path.write_text(path.read_text().replace('"messages": ', '"messages":   '))
    project.ingest(["a"])


def trained(*arms: str) -> set[str]:
    """What is trained from the tokens of some arms."""
    return {f"{asset}/{arm}/0" for asset in ("checkpoints", "eval_scores") for arm in arms}


@dataclass(frozen=True)
class Spec:
    """A change and what follows from it.

    Attributes:
        change: what the user does.
        made: exactly the partitions that `srft apply` makes again.
        paid: exactly the calls that are paid for.
        untrained: what training has to make again afterwards.
        told: what the plan says of the change; empty where nothing changed.
    """

    change: Callable[[Project], None]
    made: set[str]
    paid: int = 0
    untrained: frozenset[str] = frozenset()
    told: str = ""


def prompt(critic: str) -> set[str]:
    return {f"critic_prompt/{critic}/all"} | relabelled(critic, "a", "b")


SRFT = frozenset(trained("srft"))
EVERY_ARM = frozenset(trained("sft", *ARM_OF.values()))

SPECS = {
    "one word of the prompt": Spec(
        words("default", "Read the edits", "Read all edits"),
        prompt("default"),
        3,
        SRFT,
        "prompt.md: line 22: ",
    ),
    "one word of another critic's prompt": Spec(
        words("strict", "visible harm", "harm"),
        prompt("strict"),
        3,
        frozenset(trained("careful")),
        "prompt.md: line ",
    ),
    "white space and comments in YAML": Spec(layout, set()),
    "temperature": Spec(
        setting("sampling: {temperature: 0.5}"),
        prompt("default"),
        3,
        SRFT,
        "sampling.temperature: 0.0 → 0.5",
    ),
    "a critic's description": Spec(
        lambda p: p.critic("default", "Reads a failed run once", "Has read it"), set()
    ),
    "where a critic is served, how many calls at once, at what price": Spec(
        setting("endpoint: {concurrency: 2, timeout: 60, usd_per_million_input: 3}"), set()
    ),
    "what agreement with people a critic is asked for": Spec(
        setting("good_enough: {severity: error}"), set()
    ),
    "whom a critic judges": Spec(
        lambda p: p.critic("default", "judge: failed", "judge: all"),
        prompt("default"),
        2,
        SRFT,
        'judge: "failed" → "all"',
    ),
    "an arm's mask set": Spec(
        lambda p: p.arm("srft", "critic: default", "critic: default\n  mask: [recover]"),
        {"masked_tokens/srft/a", "masked_tokens/srft/b"},
        0,
        SRFT,
        'mask: ["mistake"] → ["recover"]',
    ),
    "an arm's description": Spec(
        lambda p: p.arm("srft", "critic: default", "critic: default\n  description: Other"), set()
    ),
    "an arm's learning rate": Spec(
        lambda p: p.arm("srft", "training:", "training:\n    learning_rate: 0.1"),
        set(),
        0,
        SRFT,
        "learning_rate: 0.001 → 0.1",
    ),
    "an arm's evaluation": Spec(
        lambda p: p.arm("srft", "  training:", "  evaluation: {tasks: 3}\n  training:"),
        set(),
        0,
        frozenset({"eval_scores/srft/0"}),
        "tasks: 40 → 3",
    ),
    "a new batch": Spec(
        lambda p: write_batch(p, "c", [("c-good", 2, True), ("c-bad", 3, False)]),
        from_runs("c"),
        2,
        EVERY_ARM,
    ),
    "a changed source file": Spec(another_run, from_runs("a"), 2, EVERY_ARM, "file a.jsonl"),
    "white space in a source file": Spec(
        another_layout, {"trajectories/a"}, 0, frozenset(), "file a.jsonl"
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_what_is_made_again(name: str, project: Project, server: Server):
    spec = SPECS[name]
    before = server.answered.total()
    spec.change(project)
    planned = project.plan(Costs.EXACT)
    told = [line for item in planned for line in item.why if not item.behind]
    assert [line for line in told if spec.told in line] if spec.told else not told, told
    assert spec.made | spec.untrained <= out_of_sync(planned)
    to_pay = sum(item.cost.calls - item.cost.answered for item in planned if item.cost)
    if not any(name.startswith("trajectories/") for name in out_of_sync(planned)):
        assert to_pay == spec.paid
    assert server.answered.total() == before, "a plan pays for nothing"

    assert project.apply().made == spec.made
    assert server.answered.total() - before == spec.paid
    assert out_of_sync(project.plan()) == spec.untrained
