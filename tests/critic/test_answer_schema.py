"""The schema of an answer, and how it reaches the server."""

import json

import pytest

from srft_assets.critic.answer import constraint, described, schema
from tests.critic.prompt_runs import spec


def test_the_schema_has_one_required_property_for_every_step():
    made = schema(range(4, 7), spec())
    assert made["required"] == list(made["properties"]) == ["4", "5", "6"]
    assert made["additionalProperties"] is False


def test_the_reason_comes_before_the_label():
    verdict = schema(range(1), spec())["properties"]["0"]
    assert verdict == {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "label": {"type": "string", "enum": ["good", "unnecessary", "mistake", "recover"]},
        },
        "required": ["reason", "label"],
        "additionalProperties": False,
    }
    assert json.dumps(verdict).index("reason") < json.dumps(verdict).index("label")


def test_without_reasons_each_step_is_a_label():
    made = schema(range(1), spec(reasons=False, labels=["good", "mistake"]))
    assert made["properties"] == {"0": {"type": "string", "enum": ["good", "mistake"]}}


def test_openais_way_vllms_way_and_none():
    steps = range(2)
    made = schema(steps, spec())
    assert constraint(steps, spec()) == {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "verdicts", "strict": True, "schema": made},
        }
    }
    assert constraint(steps, spec(answer_format="structured_outputs")) == {
        "structured_outputs": {"json": made}
    }
    assert constraint(steps, spec(answer_format="prompt")) == {}


@pytest.mark.parametrize("reasons", [True, False])
def test_the_answer_is_described_in_words_with_every_label(reasons):
    told = described(spec(reasons=reasons))
    assert all(f'"{label}"' in told for label in spec().labels)
    assert '"<index>": ' in told
    assert ('"reason"' in told) is reasons
