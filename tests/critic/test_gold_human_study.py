"""The step relations that people labelled, as a gold set of runs that can be ingested."""

from pathlib import Path

import orjson
import pytest

from docs.examples.human_study import FAULTS, RELATIONS, STUDY, TEXTS, convert, main
from srft_assets.critic.gold.annotations import import_answers
from srft_assets.critic.gold.labels import read_sets
from srft_assets.home import Home
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import Trajectory

CALL = "{'arguments': '{\"command\": \"ls; Action=x\"}', 'name': 'execute_bash'}"
SOUND = {
    "thought_action": ["Alignment"] * 4,
    "result_thought": ["Follow-up"] * 3,
    "action_action": ["Follow-up"] * 3,
    "thought_thought": ["Follow-up"] * 3,
}


def study(folder: Path, **relations: list[str]) -> Path:
    """A checkout with one run of four steps."""
    texts = folder / TEXTS
    texts.mkdir(parents=True)
    thoughts = ["Look.\n---\nThen act", "None", "Iteration of it", "Done"]
    turns = [f"Iteration {i}: Thought={t}; Action={CALL}" for i, t in enumerate(thoughts)]
    (texts / "a__b-1.txt").write_text("\n---\n".join(turns))
    for name, labels in (SOUND | relations).items():
        path = folder / RELATIONS / name / "a__b-1.csv"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(["label", *labels]) + "\n")
    return folder


def labels_of(folder: Path) -> list[str | None]:
    return [label["label"] for label in convert(folder)[1]]


def runs_of(folder: Path) -> dict[str, Trajectory]:
    rows = [orjson.loads(orjson.dumps(row)) for row in convert(folder)[0]]
    read = [read_record(row, source="runs.jsonl", row=place) for place, row in enumerate(rows)]
    return {run.trajectory_id: run for run in read}


def test_a_relation_within_a_step_faults_that_step(tmp_path: Path) -> None:
    given = ["Alignment", "Misalignment", "Alignment", "Alignment"]
    assert labels_of(study(tmp_path, thought_action=given)) == ["good", "mistake", "good", "good"]


@pytest.mark.parametrize("relation", [one for one in FAULTS if one.shift])
def test_a_relation_between_two_steps_faults_the_later(tmp_path: Path, relation) -> None:  # type: ignore[no-untyped-def]
    folder = study(tmp_path, **{relation.name: ["Follow-up", relation.fault, "Refinement"]})
    assert labels_of(folder) == ["good", "good", relation.label, "good"]


def test_a_mistake_outweighs_a_repetition(tmp_path: Path) -> None:
    folder = study(
        tmp_path,
        action_action=["Repetition", "Follow-up", "Repetition"],
        result_thought=["Misinterpretation", "Follow-up", "Follow-up"],
    )
    assert labels_of(folder) == ["good", "mistake", "good", "unnecessary"]


def test_faults_that_cannot_be_placed_refuse_the_run(tmp_path: Path) -> None:
    folder = study(tmp_path, result_thought=["Follow-up"] * 4 + ["Misinterpretation"])
    rows, labels, refused = convert(folder)
    assert (len(rows), labels) == (1, [])
    assert refused == [
        "a__b-1: result_thought has 5 rows where 4 steps have 3: "
        "its 1 × Misinterpretation cannot be placed"
    ]


def test_rows_that_do_not_fit_but_fault_nothing_cost_nothing(tmp_path: Path) -> None:
    assert labels_of(study(tmp_path, result_thought=["Follow-up"] * 9)) == ["good"] * 4


def test_a_converted_run_has_the_steps_that_were_labelled(tmp_path: Path) -> None:
    folder = study(tmp_path)
    (run,) = runs_of(folder).values()
    assert [step.thought for step in run.steps] == [
        "Look.\n---\nThen act",
        "",
        "Iteration of it",
        "Done",
    ]
    assert {action.tool for step in run.steps for action in step.actions} == {"execute_bash"}
    assert {label["trajectory_id"] for label in convert(folder)[1]} == {run.trajectory_id}


def test_outcomes_are_taken_from_the_readme_where_it_is_there(tmp_path: Path) -> None:
    folder = study(tmp_path)
    (folder / "README.md").write_text(
        "### RepairAgent Instances\nResolved instances:\n```\na__b-1\n```\n"
        "### OpenHands / CodeActAgent Instances\nResolved instances:\n```\nc__d-2\n```\n"
        "Unresolved instances:\n```\na__b-1\n```\n"
    )
    assert convert(folder)[0][0]["resolved"] is False


def test_a_text_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    folder = study(tmp_path)
    (folder / TEXTS / "b__c-2.txt").write_text("Iteration 0: Thought=x; Action={'name': broken")
    (folder / TEXTS / "c__d-3.txt").write_text(f"Iteration 1: Thought=x; Action={CALL}")
    rows, _, refused = convert(folder)
    assert [row["instance_id"] for row in rows] == ["a__b-1"]
    assert [line.partition(":")[0] for line in refused] == ["b__c-2", "c__d-3"]


def test_another_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is not a checkout of llm-agents-study"):
        convert(tmp_path)


def test_the_real_study(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared / "human-step-labels"
    runs = runs_of(folder)
    steps = {name: len(run.steps) for name, run in runs.items()}
    assert (len(runs), sum(steps.values())) == (40, 1113)
    main([str(folder), str(tmp_path)])
    merged = import_answers(tmp_path / "labels.jsonl", Home(tmp_path / "home"), "s", steps)
    assert (merged.added, merged.refused) == (603, ())
    assert capsys.readouterr().err.count("refused ") == 11
    found = read_sets(Home(tmp_path / "home"))["s"]
    assert {label.annotator for label in found} == {STUDY}
    labelled = {label.trajectory_id for label in found}
    assert len(labelled) == 29
    assert len(found) == sum(steps[name] for name in labelled)
    by_instance = {label.trajectory_id.rpartition(".")[0]: label.trajectory_id for label in found}
    django = by_instance["django__django-12308"]
    faults = {label.step_index: label.note for label in found if label.trajectory_id == django}
    # The agent answers a syntax error with "I apologize" and the same error again.
    assert faults[3] == "Misinterpretation (result_thought)"
