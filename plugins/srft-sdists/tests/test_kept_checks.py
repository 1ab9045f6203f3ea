"""What is kept of a task's reference solution: what its tests said, never what the machine did."""

from pathlib import Path

from small_project import RIGHT, World
from srft_sdists.grader import grade_instance

from srft_assets.outcomes.grader_choice import Grading
from srft_assets.outcomes.status import Status, TestOutcome


def graded(world: World, memory_gb: float) -> TestOutcome:
    grading = Grading(grader="local", timeout=60, memory_gb=memory_gb)
    return grade_instance(world.task, RIGHT, world.home, grading)


def kept(world: World) -> list[Path]:
    return list(world.home.artifacts.glob(f"local-grader/checked/{world.task.instance_id}.*.json"))


def test_a_run_that_the_machine_ended_is_not_kept(world: World) -> None:
    before = kept(world)
    outcome = graded(world, 0.02)
    assert outcome.status is Status.INFRA_ERROR and "ended early" in outcome.reason, outcome
    assert kept(world) == before
    assert graded(world, 8).status is Status.RESOLVED


def test_more_memory_is_another_question(world: World) -> None:
    less, more = (len(kept(world)), graded(world, 7.5)), (len(kept(world)), graded(world, 7.25))
    assert less[1].status is more[1].status is Status.RESOLVED
    assert more[0] == less[0] + 1 and len(kept(world)) == more[0] + 1
