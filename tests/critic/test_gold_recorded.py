"""Generated runs bring their own labels, which no critic sees."""

import shutil

import orjson
import pytest

from srft_assets.critic.gold.labels import gold_labels_stage
from srft_assets.home import Home
from srft_assets.lab.teacher import collect
from srft_assets.sandbox.model import Sandbox
from srft_assets.trajectories.batches import LAB, write_batch
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.partitions import Warehouse
from tests.critic.gold_support import fingerprint, make


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Home:
    """Three tasks that the scripted teacher played in the sandbox."""
    home = Home(tmp_path_factory.mktemp("played"))
    write_batch(home, "lab-1", LAB, {"count": 3, "task_seed": 3})
    make(home, trajectories_stage({"lab": collect}), "lab-1")
    return home


@pytest.fixture
def home(played: Home, home: Home) -> Home:
    shutil.copytree(played.root, home.root)
    return home


def test_every_step_has_the_label_that_the_teacher_gave_it(home: Home) -> None:
    made, stamp = make(home, gold_labels_stage())
    runs = Warehouse(home.warehouse).read("trajectories", "lab-1")
    assert stamp.refused == ()
    assert made.frame.height == runs["n_steps"].sum()
    assert set(made.frame["set"]) == {"lab"} and set(made.frame["annotator"]) == {"teacher"}
    said = []
    for run in runs.sort("trajectory_id").iter_rows(named=True):
        (path,) = home.runs.glob(f"lab-1/*/{run['source']}")
        turns = [m for m in orjson.loads(path.read_bytes())["messages"] if m["role"] == "assistant"]
        said += [(run["trajectory_id"], turn["extra"]["teacher"]["label"]) for turn in turns]
    rows = made.frame.sort("trajectory_id", "step_index").select("trajectory_id", "label").rows()
    assert rows == said


def test_no_critic_sees_them(home: Home) -> None:
    messages = Warehouse(home.warehouse).read("trajectories", "lab-1")["messages"]
    assert len(messages) and not any("teacher" in text for text in messages)


def test_an_unfit_recording_beside_the_right_one_changes_nothing(home: Home) -> None:
    before = make(home, gold_labels_stage())[0].frame
    stated = fingerprint(home, gold_labels_stage())
    (folder,) = [path for path in home.runs.glob("lab-1/*") if path.is_dir()]
    other = shutil.copytree(folder, folder.with_name("0" * 12))
    for path in other.glob("*.traj.json"):
        path.write_bytes(path.read_bytes().replace(b"Read the code.", b"Read it all."))
    assert fingerprint(home, gold_labels_stage()) != stated
    assert make(home, gold_labels_stage())[0].frame.equals(before)


def test_a_run_that_two_batches_hold_has_its_labels_once(home: Home) -> None:
    before = make(home, gold_labels_stage())[0].frame
    write_batch(home, "lab-2", LAB, {"count": 3, "task_seed": 3})
    (folder,) = [path for path in home.runs.glob("lab-1/*") if path.is_dir()]
    copied = shutil.copytree(folder, home.runs / "lab-2" / folder.name)
    make(home, trajectories_stage({"lab": lambda work, settings: copied}), "lab-2")
    assert make(home, gold_labels_stage())[0].frame.equals(before)


def test_a_lost_recording_is_refused_and_the_rest_goes_on(home: Home) -> None:
    lost = next(home.runs.glob("lab-1/*/*.traj.json"))
    lost.unlink()
    made, stamp = make(home, gold_labels_stage())
    assert [refusal.reason for refusal in stamp.refused] == ["the raw run is gone"]
    assert made.frame["trajectory_id"].n_unique() == 2
