"""Null keys that Arrow adds to tools and arguments are taken out; nulls that say something stay."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.stage import read_files


def call(number, name, **arguments):
    """A call whose arguments are an object."""
    return {
        "id": f"c{number}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def tool(name, **properties):
    """A tool with the schemas of its arguments."""
    schema = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


MAYBE = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
ROW = {
    "instance_id": "a",
    "messages": [
        {"role": "user", "content": "Mend it."},
        {"role": "assistant", "content": "", "tool_calls": [call(1, "bash", command="ls")]},
        {"role": "assistant", "content": "", "tool_calls": [call(2, "edit", path="p", text="x")]},
    ],
    "tools": [
        tool("bash", command={"type": "string"}),
        tool("edit", path={"type": "string", "enum": ["p", None]}, text=MAYBE),
    ],
}


def told(run):
    return [
        [one["function"]["arguments"] for one in message["tool_calls"]]
        for message in run.messages
        if "tool_calls" in message
    ]


@pytest.mark.parametrize("written", ["parquet", "lines"])
def test_calls_and_tools_are_as_they_were_before_the_table(tmp_path, written):
    table = pa.Table.from_pylist([ROW, ROW])
    if written == "parquet":
        pq.write_table(table, tmp_path / "rows.parquet")
    else:
        rows = "".join(f"{json.dumps(row)}\n" for row in table.to_pylist()[:1])
        (tmp_path / "rows.jsonl").write_text(rows)
    run = read_files(tmp_path)[0][0]
    assert run.tools == ROW["tools"]
    assert told(run) == [[{"command": "ls"}], [{"path": "p", "text": "x"}]]


def test_a_null_argument_of_a_row_that_was_in_no_table_stays():
    row = json.loads(json.dumps(ROW))
    row["messages"][1]["tool_calls"] = [call(1, "bash", command="ls", timeout=None)]
    run = read_record(row, source="a.json")
    assert told(run)[0] == [{"command": "ls", "timeout": None}]
