"""Reports that graders left, real and constructed."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.outcomes.model import Status
from srft_assets.outcomes.reports import ReportedOutcome, parse_report, read_reports
from srft_assets.outcomes.reports.reading import instance_of
from srft_assets.refusal import Refusal

ID = "django__django-1"


def parse(value: Any, path: str = f"logs/{ID}/report.json", **beside: str) -> list[Any]:
    data = value if isinstance(value, bytes) else orjson.dumps(value)
    return list(parse_report(data, path, {f"{k}.txt": v for k, v in beside.items()}))


def one(value: Any, **beside: str) -> ReportedOutcome:
    (outcome,) = parse(value, **beside)
    assert isinstance(outcome, ReportedOutcome), outcome
    return outcome


def refusal(value: Any) -> str:
    (refused,) = parse(value)
    assert isinstance(refused, Refusal)
    return refused.reason


def graded(
    resolved: bool, f2p: tuple[int, int] = (1, 0), p2p: tuple[int, int] = (2, 0), **flags: Any
) -> dict[str, Any]:
    """A report of one instance, with this many tests that passed and failed."""
    return {
        "patch_is_None": False,
        "patch_exists": True,
        "patch_successfully_applied": True,
        "resolved": resolved,
        "tests_status": {
            kind: {
                "success": [f"{kind}-s{i}" for i in range(good)],
                "failure": [f"{kind}-f{i}" for i in range(bad)],
            }
            for kind, (good, bad) in (("FAIL_TO_PASS", f2p), ("PASS_TO_PASS", p2p))
        },
        **flags,
    }


def statuses(path: Path) -> Counter[str]:
    return Counter(
        item.status.value if isinstance(item, ReportedOutcome) else "refused"
        for item in read_reports(path)
    )


class TestRealReports:
    """Figures of the NOTES.md beside the data."""

    def test_harness_logs(self, shared: Path) -> None:
        found: Counter[str] = Counter()
        for folder in sorted((shared / "harness-logs").iterdir()):
            if folder.is_dir():
                found += statuses(folder / "report.json")
        assert found == {"resolved": 15, "unresolved": 15}

    def test_harness_run_report_agrees_with_its_instances(self, shared: Path) -> None:
        run = list(read_reports(shared / "harness-logs" / "run_report.json"))
        assert Counter(item.status for item in run if isinstance(item, ReportedOutcome)) == {
            Status.RESOLVED: 73,
            Status.UNRESOLVED: 26,
            Status.EMPTY_PATCH: 1,
        }
        listed = {item.instance_id: item for item in run if isinstance(item, ReportedOutcome)}
        assert {item.grader_version for item in listed.values()} == {"schema 2"}
        for folder in (shared / "harness-logs").iterdir():
            if folder.is_dir():
                (item,) = read_reports(folder / "report.json")
                assert isinstance(item, ReportedOutcome)
                assert listed[item.instance_id].status is item.status

    def test_logs_and_patches_come_with_them(self, shared: Path) -> None:
        folder = shared / "harness-logs" / "django__django-11206"
        (item,) = read_reports(folder / "report.json")
        assert isinstance(item, ReportedOutcome)
        assert (item.f2p_passed, item.f2p_total, item.p2p_passed, item.p2p_total) == (2, 2, 4, 4)
        assert item.patch == (folder / "patch.diff").read_text()
        assert item.log is not None and len(item.log) < 16_100

    def test_flat_reports_named_by_their_folder(self, shared: Path) -> None:
        logs = shared / "trajectories" / "mini-swe-agent-v1" / "logs"
        assert statuses(logs) == {"resolved": 30, "unresolved": 30}
        assert {item.instance_id for item in read_reports(logs)} == {  # type: ignore[union-attr]
            folder.name for folder in logs.iterdir()
        }

    def test_openhands(self, shared: Path) -> None:
        reports = shared / "trajectories" / "openhands-v0.15" / "reports"
        assert statuses(reports) == {"resolved": 11, "unresolved": 13}

    def test_swe_smith(self, shared: Path) -> None:
        logs = shared / "trajectories/swe-smith-fixtures/tests/test_logs/run_evaluation"
        assert statuses(logs / "report.json") == {"resolved": 3, "unresolved": 50}
        own = [
            item for folder in logs.iterdir() if folder.is_dir() for item in read_reports(folder)
        ]
        assert Counter(item.status for item in own) == {  # type: ignore[union-attr]
            Status.RESOLVED: 3,
            Status.UNRESOLVED: 1,
        }
        assert all(item.model and item.model.startswith("swesmith") for item in own)  # type: ignore[union-attr]

    def test_validation_reports_are_no_grading(self, shared: Path) -> None:
        logs = shared / "trajectories/swe-smith-fixtures/tests/test_logs/run_validation"
        (item,) = read_reports(logs / "report.json")
        assert isinstance(item, Refusal) and "not a grading report" in item.reason

    def test_swe_gym_rows(self, shared: Path) -> None:
        rows = shared / "trajectories/hf-samples/swe-gym_openhands_sampled_trajectories"
        items = list(read_reports(rows / "sample_raw.json"))
        assert len(items) == 5
        for item in items:
            assert isinstance(item, ReportedOutcome)
            assert item.status is Status.RESOLVED and item.patch and item.log


class TestOneInstance:
    def test_keyed_and_flat_say_the_same(self) -> None:
        flat, keyed = one(graded(True)), one({ID: graded(True)})
        assert flat == keyed
        assert (flat.instance_id, flat.status) == (ID, Status.RESOLVED)

    @pytest.mark.parametrize(
        ("path", "instance"),
        [
            (f"a/{ID}/report.json", ID),
            (f"a/{ID}.report.json", ID),
            (f"reports/{ID}.json", ID),
        ],
    )
    def test_a_flat_report_is_named_by_its_place(self, path: str, instance: str) -> None:
        assert instance_of(path) == instance

    def test_counts(self) -> None:
        outcome = one(graded(False, (1, 3), (5, 0)))
        assert outcome.status is Status.UNRESOLVED
        assert (outcome.f2p_passed, outcome.f2p_total) == (1, 4)
        assert (outcome.p2p_passed, outcome.p2p_total) == (5, 5)

    @pytest.mark.parametrize("flags", [{"patch_is_None": True}, {"patch_exists": False}])
    def test_no_patch(self, flags: dict) -> None:
        report = {"resolved": False, "patch_is_None": False, "patch_exists": True, **flags}
        assert one(report).status is Status.EMPTY_PATCH

    @pytest.mark.parametrize(
        ("log", "status"),
        [
            (">>>>> Patch Apply Failed:\nerror", Status.PATCH_FAILED),
            ("Timeout error: 1800 seconds exceeded.", Status.TIMEOUT),
            (">>>>> Tests Timed Out", Status.TIMEOUT),
            (">>>>> Reset Failed", Status.INFRA_ERROR),
            ("nothing of note", Status.PATCH_FAILED),
        ],
    )
    def test_why_there_are_no_tests_stands_in_the_log(self, log: str, status: Status) -> None:
        report = {"patch_exists": True, "patch_successfully_applied": False, "resolved": False}
        assert one(report, test_output=log).status is status

    def test_a_failure_of_the_machine(self) -> None:
        report = {
            "patch_exists": True,
            "patch_successfully_applied": False,
            "resolved": False,
            "infra_failure": True,
            "infra_failure_reason": "out_of_memory",
        }
        outcome = one(report)
        assert (outcome.status, outcome.reason) == (Status.INFRA_ERROR, "out_of_memory")

    @pytest.mark.parametrize(
        ("report", "reason"),
        [
            (graded(True, (1, 1)), "contradicts itself: resolved, but 1 of 2 FAIL_TO_PASS"),
            (graded(True, p2p=(1, 1)), "contradicts itself: resolved"),
            (graded(False), "contradicts itself: not resolved"),
            (graded(True, patch_exists=False), "there is no patch"),
            (graded(True, (0, 0), (0, 0)), "names no tests"),
            (graded("yes"), "resolved is str"),  # type: ignore[arg-type]
            ({"patch_exists": True}, "does not say `resolved`"),
            (graded(True, tests_status={"FAIL_TO_PASS": []}), "not an object"),
            (
                graded(
                    False,
                    tests_status={"FAIL_TO_PASS": {"success": ["t"], "failure": ["t"]}},
                ),
                "t passed and failed",
            ),
            (b"", "empty file"),
            (b'{"a": ', "not JSON"),
            (b"\xff\xfe", "not JSON"),
            (b"[1, 2]", "not a report"),
            ({"hello": 1}, "not a grading report"),
        ],
    )
    def test_contradictions_and_damage_are_refused(self, report: Any, reason: str) -> None:
        refused = parse(report)
        assert refused and all(isinstance(item, Refusal) for item in refused)
        assert reason in refused[0].reason

    @given(
        st.booleans(),
        st.tuples(st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.integers(0, 3), st.integers(0, 3)),
    )
    def test_resolved_means_that_all_tests_pass(
        self, resolved: bool, f2p: tuple[int, int], p2p: tuple[int, int]
    ) -> None:
        (item,) = parse(graded(resolved, f2p, p2p))
        whole = f2p[1] == p2p[1] == 0 and f2p[0] + p2p[0] > 0
        if isinstance(item, ReportedOutcome):
            assert (item.status is Status.RESOLVED) == whole == resolved
        else:
            assert resolved != whole or sum(f2p) + sum(p2p) == 0


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

    def test_predictions_without_one_say_nothing(self) -> None:
        assert parse([{"instance_id": "a", "model_patch": "p"}]) == []

    def test_one_bad_line_does_not_spoil_the_others(self) -> None:
        lines = b'{"instance_id":"a","resolved":true}\n{"instance_id":"b","resolved":"so so"}\n'
        good, bad = parse(lines, "output.jsonl")
        assert good.status is Status.RESOLVED
        assert bad.row == 1 and "neither true nor false" in bad.reason

    def test_rows_without_an_instance_are_not_named_after_their_file(self) -> None:
        rows = [{"resolved": True}, {"resolved": False}]
        assert all(isinstance(item, Refusal) for item in parse(rows, "all.jsonl"))


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
    for item in parse(value):
        assert isinstance(item, ReportedOutcome | Refusal)
