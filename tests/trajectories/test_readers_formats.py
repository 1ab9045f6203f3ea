"""Detection over every real file, and the refusal of what is no run."""

import re

import orjson
import pytest

from srft_assets.errors import UsageError
from srft_assets.trajectories.formats import detect_format, read_record
from srft_assets.trajectories.model import RecordError, from_row, rows_of

NO_RUNS = re.compile(
    r"(report|manifest|preds|results|example_model_output|swegym_verified_instances"
    r"|pandas-dev__pandas\.95280573\.pr_53652|all_preds)\.jsonl?$"
)


def records(path):
    """The records of a file: one run, or the rows of a list or of a JSONL file."""
    if path.suffix == ".jsonl":
        return [orjson.loads(line) for line in path.read_bytes().splitlines()]
    value = orjson.loads(path.read_bytes())
    if not isinstance(value, list):
        return [value]
    try:
        detect_format(value, path.name)
    except RecordError:
        return value
    return [value]


def test_every_real_file_is_read_or_refused_with_a_reason(runs_root):
    read = refused = 0
    for path in sorted(runs_root.rglob("*")):
        if path.suffix not in (".json", ".jsonl", ".traj"):
            continue
        name = str(path.relative_to(runs_root))
        for row, record in enumerate(records(path)):
            if NO_RUNS.search(name):
                with pytest.raises(RecordError, match=r"run|row|record"):
                    read_record(record, source=name, row=row)
                refused += 1
                continue
            run = read_record(record, source=name, row=row)
            assert [step.step_index for step in run.steps] == list(range(len(run.steps)))
            assert run.instance_id != "unknown"
            read += 1
    assert (read, refused > 100) == (163, True)


def test_rows_survive_the_warehouse(runs_root):
    paths = [
        *sorted(runs_root.glob("swe-smith-fixtures/**/*.traj")),
        *sorted(runs_root.glob("openhands-v0.15/completions/d*.json"))[:3],
        *sorted(runs_root.glob("mini-swe-agent-v1/trajs/*.json"))[:3],
    ]
    runs = [read_record(orjson.loads(path.read_bytes()), source=path.name, row=0) for path in paths]
    frame = rows_of(runs, "real")
    assert [from_row(row) for row in frame.iter_rows(named=True)] == runs


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "the record is an empty object"),
        ([], "the record is an empty list"),
        (3, "the record is a number"),
        ("text", "the record is text"),
        (["a"], "a list whose first entry is text"),
        ({"a": 1}, "unknown structure: an object with the fields 'a'"),
        ({"messages": "hello"}, "looks like a chat, but field 'messages' is text"),
        ({"messages": {"role": "user"}}, "field 'messages' is an object; expected a list"),
        ({"messages": [1]}, "looks like a chat, but 'messages[0]' is a number"),
        ({"history": 3.5, "info": {}}, "looks like SWE-agent or OpenHands"),
        ({"instance_id": "a", "model_patch": ""}, "a prediction"),
        ({"problem_statement": "", "base_commit": ""}, "is a task"),
        ({"\x1b[31mred\n": 1}, r"\x1b[31mred\n"),
    ],
)
def test_what_is_no_run_is_refused_for_what_it_is(record, reason):
    with pytest.raises(RecordError) as refused:
        read_record(record, source="x.json", row=0)
    assert reason in str(refused.value)
    assert str(refused.value).isprintable()


def test_format_overrides_detection(parse):
    record = parse("mini-swe-agent-v1/trajs/astropy__astropy-13977.traj.json")
    run = read_record(record, source="x", row=0, format="messages")
    assert (run.format, run.scaffold, len(run.steps)) == ("messages", "unknown", 28)


def test_an_unknown_format_names_those_that_exist():
    with pytest.raises(UsageError, match=r"unknown format 'swe'.*swe-agent-1.x"):
        read_record({}, source="x", row=0, format="swe")


def test_text_that_is_not_unicode_is_refused():
    chat = [{"role": "assistant", "content": "\ud800"}]
    with pytest.raises(RecordError, match="cannot be written as JSON"):
        read_record({"messages": chat}, source="x", row=0)


def test_a_huge_row_costs_linear_time():
    """In quadratic time a message takes longer than a test may."""
    size = 4_000_000
    texts = ["```bash\n" * (size // 8), "<function=a>" * (size // 12), "<parameter=" * 100_000]
    texts += ["```\n" * (size // 4), "<execute_bash>" * (size // 14), "<command>" * (size // 9)]
    chat = [{"role": "assistant", "content": text} for text in texts]
    chat += [{"role": "user", "content": "<returncode>" * (size // 12)}]
    chat += [{"role": "user", "content": "[Command finished with exit code " * 100_000}]
    for message in chat:
        pair = [{"role": "assistant", "content": ""}, message]
        read_record({"messages": pair}, source="x", row=0)
