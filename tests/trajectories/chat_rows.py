"""A short chat with a tool call, and how rows of it are read."""

from srft_assets.trajectories.formats import read_record

CHAT = [
    {"role": "system", "content": "You are an agent."},
    {"role": "user", "content": "Fix it."},
    {
        "role": "assistant",
        "content": "Look.",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "execute_bash", "arguments": '{"command": "ls"}'},
            }
        ],
    },
    {"role": "tool", "content": "a.py", "tool_call_id": "call_1", "name": "execute_bash"},
    {"role": "assistant", "content": "Done."},
]
TOOLS = [{"type": "function", "function": {"name": "execute_bash", "parameters": {}}}]


def read(record, **options):
    return read_record(record, source="rows.jsonl", row=0, **options)
