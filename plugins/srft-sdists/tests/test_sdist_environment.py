"""A SWE-bench row played in the sandbox, from a source release and an environment of its own."""

import orjson
import pytest
from small_project import World

from srft_assets.agent.protocol import SUBMIT, turn
from srft_assets.rollouts.batch import register
from srft_assets.rollouts.player import collect
from srft_assets.trajectories.batches import read_manifest
from tests.rollouts.chat_server import serving
from tests.rollouts.conftest import work_of
from tests.rollouts.test_player import runs_in

REPLIES = (
    turn("Test.", "python -m pytest -q tests 2>&1 | tail -3; git log --oneline | wc -l"),
    turn("Fix.", "sed -i 's/a - b/a + b/' src/adder/core.py && python -c 'import adder.core'"),
    turn("Done.", SUBMIT),
)


@pytest.mark.timeout(900)
def test_it_is_played_without_the_solution_and_graded(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT", "1")
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(orjson.dumps(world.task.model_dump(mode="json", by_alias=True)) + b"\n")
    with serving(REPLIES) as server:
        asking = {"base_url": server.base_url}
        stated = {"environment": "sdist", "prompts": "short"}
        register(world.home, "adder", str(rows), "m", asking=asking, **stated)
        settings = dict(read_manifest(world.home, "adder").settings)
        [run] = runs_in(collect(work_of(world.home, "adder"), settings)).values()
    observed = [message["content"] for message in run["messages"] if message["role"] == "user"]
    assert observed[0].endswith("Tests: python -m pytest FILE")
    assert "1 passed" in observed[1]
    assert observed[1].splitlines()[-2].strip() == "1"
    assert "<returncode>0</returncode>" in observed[2]
    assert run["info"]["exit_status"] == "Submitted"
    assert world.grade(run["info"]["submission"]).status == "resolved"
