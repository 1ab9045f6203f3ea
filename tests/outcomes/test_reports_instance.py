"""The report of one instance."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.errors import Refusal
from srft_assets.outcomes.status import ReportedOutcome, Status
from srft_assets.trajectories.sources import instance_of
from tests.outcomes.report_support import ID, graded, one, parse


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
            ("nothing of note", Status.INFRA_ERROR),
            ("", Status.INFRA_ERROR),
            ("Error building image: toomanyrequests", Status.INFRA_ERROR),
        ],
    )
    def test_why_there_are_no_tests_stands_in_the_log(self, log: str, status: Status) -> None:
        report = {"patch_exists": True, "patch_successfully_applied": False, "resolved": False}
        assert one(report, test_output=log).status is status

    def test_without_a_log_the_reports_word_counts(self) -> None:
        report = {"patch_exists": True, "patch_successfully_applied": False, "resolved": False}
        assert one(report).status is Status.PATCH_FAILED

    @pytest.mark.parametrize("flag", [True, False])
    def test_applied_without_results_is_the_machine(self, flag: bool) -> None:
        report = {"patch_exists": True, "patch_successfully_applied": flag, "resolved": False}
        applied = "2026-01-01 - INFO - >>>>> Applied Patch:\nApplied patch a.py cleanly."
        outcome = one(report, run_instance=applied, test_output="collecting ...\nKilled")
        assert outcome.status is Status.INFRA_ERROR

    def test_words_that_the_tests_print_are_none_of_the_harness(self) -> None:
        report = {"patch_exists": True, "patch_successfully_applied": True, "resolved": False}
        printed = "E   assert '>>>>> Patch Apply Failed' in out\n1 failed"
        assert one(report, test_output=printed).status is Status.UNRESOLVED

    def test_a_byte_order_mark(self) -> None:
        data = b"\xef\xbb\xbf" + orjson.dumps({ID: graded(True)})
        assert one(data).status is Status.RESOLVED

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
