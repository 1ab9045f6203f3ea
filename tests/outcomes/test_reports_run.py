"""Reports of whole runs, as lists of ids."""

from typing import Any

import pytest

from srft_assets.outcomes.status import OTHERS, Status
from tests.outcomes.report_support import parse, refusal


class TestWholeRuns:
    def report(self, **changes: Any) -> dict[str, Any]:
        return {
            "total_instances": 9,
            "resolved_instances": 1,
            "resolved_ids": ["a"],
            "unresolved_ids": ["b", "c", "t"],
            "empty_patch_ids": ["d"],
            "error_ids": ["e"],
            "schema_version": 2,
            **changes,
        }

    def test_schema_1_has_no_machine_failures(self) -> None:
        said = {item.instance_id: item for item in parse(self.report(schema_version=1))}
        assert {key: item.status.value for key, item in said.items()} == {
            "a": "resolved",
            "b": "unresolved",
            "c": "unresolved",
            "t": "unresolved",
            "d": "empty_patch",
            "e": "infra_error",
        }
        assert said["a"].grader_version == "schema 1"

    def test_schema_2_tells_the_machine_from_the_model(self) -> None:
        reasons = {"b": "out_of_memory", "t": "tests_timed_out"}
        report = self.report(
            infra_failure_ids=["b"], ambiguous_failure_ids=["t"], failure_reasons=reasons
        )
        said = {item.instance_id: item for item in parse(report)}
        assert (said["b"].status, said["b"].reason) == (Status.INFRA_ERROR, "out_of_memory")
        assert said["c"].status is Status.UNRESOLVED
        assert said["t"].status is Status.TIMEOUT

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"resolved_instances": 2}, "2 resolved instances, but 1 ids"),
            ({"resolved_instances": 2, "resolved_ids": ["a", "b"]}, "b is in resolved_ids and"),
            ({"unresolved_ids": ["b", "b"]}, "twice"),
            ({"infra_failure_ids": ["a"]}, "not among the failed"),
            ({"error_ids": "e"}, "not a list"),
        ],
    )
    def test_contradictions_refuse_the_whole_report(self, changes: dict, reason: str) -> None:
        assert reason in refusal(self.report(**changes))

    def test_lists_of_the_first_harness(self) -> None:
        report = {
            "no_generation": ["n"],
            "generated": ["r", "a", "u", "t", "l"],
            "with_logs": ["r", "a", "u", "t"],
            "no_apply": ["a"],
            "applied": ["r", "u", "t"],
            "test_timeout": ["t"],
            "resolved": ["r"],
        }
        assert {item.instance_id: item.status.value for item in parse(report)} == {
            "n": "empty_patch",
            "r": "resolved",
            "a": "patch_failed",
            "u": "unresolved",
            "t": "timeout",
            "l": "infra_error",
        }
        assert parse({"final_report": report}) == parse(report)
        assert "in resolved and in no_apply" in refusal({**report, "no_apply": ["r"]})

    def test_a_final_report_may_wrap_a_run_report(self) -> None:
        assert parse({"final_report": self.report()}) == parse(self.report())
        (item,) = parse({"final_report": ["a"]})
        assert (item.instance_id, item.status) == ("a", Status.RESOLVED)


class TestWhoIsNotListed:
    def test_a_resolved_list_beside_lists_of_failures(self) -> None:
        report = {
            "resolved": ["r"],
            "unresolved_ids": ["u"],
            "empty_patch_ids": ["e"],
            "error_ids": ["x"],
            "completed_ids": ["r", "u"],
        }
        assert {item.instance_id: item.status.value for item in parse(report)} == {
            "r": "resolved",
            "u": "unresolved",
            "e": "empty_patch",
            "x": "infra_error",
        }

    def test_who_was_completed_and_not_resolved_failed(self) -> None:
        report = {"completed_ids": ["a", "b"], "resolved_ids": ["a"], "error_ids": []}
        said = {item.instance_id: item.status.value for item in parse(report)}
        assert said == {"a": "resolved", "b": "unresolved"}

    def test_the_leaderboard_lists_every_other_case(self) -> None:
        *_, others = parse({"no_generation": ["n"], "no_logs": [], "resolved": ["r"]})
        assert (others.instance_id, others.status) == (OTHERS, Status.UNRESOLVED)

    def test_swe_agent_counts_them(self) -> None:
        report = {"stats": {"generated": 2, "with_logs": 2}, "resolved": ["r"]}
        *_, others = parse(report)
        assert (others.instance_id, others.patches) == (OTHERS, 2)
        partly = parse({**report, "stats": {"generated": 3, "with_logs": 2}})
        assert [item.instance_id for item in partly] == ["r"]

    def test_true_or_false_of_each(self) -> None:
        said = parse({"a__b-1": True, "a__b-2": False}, "x/eval_results.json")
        assert [item.status.value for item in said] == ["resolved", "unresolved"]
