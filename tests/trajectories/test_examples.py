"""One written run in every format: the same three steps, whatever the scaffold makes of them.

`examples/<format>/` holds a file as the scaffold names it; no real data are needed. Formats whose
tools name no task are written by tests/trajectories/sessions.py.
"""

from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from srft_assets.home import Home
from srft_assets.trajectories.formats import FAMILIES, read_record
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.records import of_table
from srft_assets.warehouse.partitions import Warehouse
from tests.trajectories.sessions import write_all

FOLDER = Path(__file__).parent / "examples"
SED = "sed -i 's/a - b/a + b/' calc.py"
FACTS = {
    "swe-agent-0.x": ("swe-agent", None, "submitted", None),
    "swe-agent-1.x": ("swe-agent", "a-model", "submitted", None),
    "nebius-swe-agent": ("swe-agent", "a-model", "submitted", True),
    "mini-swe-agent-1": ("mini-swe-agent", "a-model", "Submitted", None),
    "mini-swe-agent-1.1": ("mini-swe-agent", "a-model", "Submitted", None),
    "openhands-completion": ("openhands", "a-model", None, None),
    "openhands-events": ("openhands", "a-model", None, True),
    "swe-smith": ("swe-agent", "a-model", None, True),
    "swe-gym-openhands": ("openhands", "a-model", None, True),
    "nebius-openhands": ("openhands", None, "submit", True),
    "open-swe-traces": ("openhands", None, None, True),
    "mini-coder": ("mini-swe-agent", None, None, True),
    "swe-play": ("openhands", None, None, None),
    "messages": ("unknown", None, None, True),
}
"""Scaffold, model, exit status and outcome, as the file states them."""
FORMATS = tuple(FACTS)
WITHOUT_PATCH = {"openhands-completion", "swe-play"}
TEXT_CODES = {"mini-swe-agent-1", "mini-coder", "messages", "swe-play"}
"""The return code stands in the text of the observation."""
STATED_CODES = {"mini-swe-agent-1.1", "openhands-events"}


def example(name: str) -> Trajectory:
    (path,) = (FOLDER / name).iterdir()
    hint = str(path.relative_to(FOLDER))
    return read_record(orjson.loads(path.read_bytes()), source=hint, row=0)


def test_every_format_has_an_example(tmp_path: Path) -> None:
    known = sorted(reader.name for family in FAMILIES for reader in family.READERS)
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(FACTS)
    written = set(write_all(tmp_path))
    assert known == sorted(written | set(FACTS))


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_is_told_and_what_the_file_states_is_read(name: str) -> None:
    run = example(name)
    assert (run.format, run.instance_id) == (name, "demo__calc-1")
    assert (run.scaffold, run.model, run.exit_status, run.resolved) == FACTS[name]
    assert bool(run.submission) == (name not in WITHOUT_PATCH)


@pytest.mark.parametrize("name", FORMATS)
def test_three_steps_are_cut_with_their_thoughts_actions_and_observations(name: str) -> None:
    steps = example(name).steps
    thoughts = [step.thought.removeprefix("THOUGHT: ") for step in steps]
    assert thoughts == ["I read the code.", "The sign is wrong.", "Done."]
    commands = [action.command for step in steps[:2] for action in step.actions]
    assert commands == ["cat calc.py", SED]
    assert [len(step.observations) for step in steps] == [1, 1, 0]
    assert "def add(a, b):" in steps[0].observations[0]
    code = 0 if name in TEXT_CODES | STATED_CODES else None
    assert [step.return_codes for step in steps] == [[code], [code], []]


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_from_parquet_is_the_run_from_json(name: str, tmp_path: Path) -> None:
    (source,) = (FOLDER / name).iterdir()
    path = tmp_path / "rows.parquet"
    written = source.read_bytes().replace(b": {}", b": null")  # Parquet has no empty object
    pq.write_table(pa.Table.from_pylist([orjson.loads(written)]), path)
    (record,) = of_table(path, "parquet", 0, 1, 0)
    hint = str(source.relative_to(FOLDER))
    assert read_record(record.value, source=hint, row=0) == example(name)


def test_a_folder_of_all_formats_is_ingested_whole(home: Home) -> None:
    ingest(home, [FOLDER], batch="all")
    rows = Warehouse(home.warehouse).read("trajectories", "all")
    assert sorted(rows["format"]) == sorted(FORMATS)
    assert rows["trajectory_id"].n_unique() == len(FORMATS)
