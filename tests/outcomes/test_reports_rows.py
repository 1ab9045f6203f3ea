"""Rows that carry their own evaluation, and any JSON at all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.errors import Refusal
from srft_assets.outcomes.status import ReportedOutcome, Status
from tests.outcomes.report_support import ID, graded, parse


class TestRows:
    @pytest.mark.parametrize(
        ("evaluation", "status"),
        [
            ({"resolved": True}, Status.RESOLVED),
            ({"evaluation": False}, Status.UNRESOLVED),
            ({"evaluation": "Resolved"}, Status.RESOLVED),
            ({"evaluation": {"resolved": False}}, Status.UNRESOLVED),
            ({"report": {"resolved": False, "test_timeout": True}}, Status.TIMEOUT),
            (
                {"test_result": {"report": {"resolved": False, "failed_apply_patch": True}}},
                Status.PATCH_FAILED,
            ),
            ({"test_result": {"report": {"error_eval": True}}}, Status.INFRA_ERROR),
        ],
    )
    def test_predictions_with_an_evaluation(self, evaluation: dict, status: Status) -> None:
        row = {"instance_id": "a", "model_name_or_path": "m", "model_patch": "p", **evaluation}
        for form in ([row], {"a": row}, row):
            (item,) = parse(form)
            assert (item.instance_id, item.status, item.model) == ("a", status, "m")
            assert item.patch == "p"

    @pytest.mark.parametrize("path", ["all.jsonl", f"logs/{ID}/report.json"])
    def test_a_single_grading_is_of_the_instance_that_it_names_itself(self, path: str) -> None:
        row = {"instance_id": "a__a-1", **graded(True)}
        for form in (row, [row]):
            (item,) = parse(form, path)
            assert (item.instance_id, item.status) == ("a__a-1", Status.RESOLVED)

    def test_predictions_without_one_say_nothing(self) -> None:
        assert parse([{"instance_id": "a", "model_patch": "p"}]) == []

    def test_one_bad_line_does_not_spoil_the_others(self) -> None:
        lines = b'{"instance_id":"a","resolved":true}\n{"instance_id":"b","resolved":"so so"}\n'
        good, bad = parse(lines, "output.jsonl")
        assert good.status is Status.RESOLVED
        assert bad.row == 1 and "neither true nor false" in bad.reason

    def test_rows_without_an_instance_are_not_named_after_their_file(self) -> None:
        rows = [{"resolved": True}, {"resolved": False}]
        items = parse(rows, "all.jsonl")
        assert len(items) == 2 and all(isinstance(item, Refusal) for item in items)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resolved", "resolved_ids", "tests_status", "patch_exists", "final_report",
                 "ids_resolved", "evaluation", "test_result", "report", "instance_id", "a"]
            ),
            inner,
            max_size=4,
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_any_json_is_read_or_refused(value: Any) -> None:
    *items, known = parse([value, {"instance_id": "a__b-1", "resolved": True}])
    assert isinstance(known, ReportedOutcome)
    for item in [*items, *parse(value)]:
        assert isinstance(item, ReportedOutcome | Refusal)
