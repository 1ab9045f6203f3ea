"""Reports that graders left, as they were published."""

from collections import Counter
from pathlib import Path

from srft_assets.errors import Refusal
from srft_assets.outcomes.status import ReportedOutcome, Status
from tests.outcomes.report_support import read_reports


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
