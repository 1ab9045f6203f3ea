"""Runs unittest or pytest and writes one JSON line a finished test. Runs inside the sandbox.

    python recorder.py RESULTS (unittest|pytest|python-m-pytest|script) [argument…]

It is copied beside the repository under test, so it imports the standard library only, and
all of it before the repository is importable: a `unittest.py` of the patch is never found.
Printed lines count for nothing, and a run that ends early lacks its last line. `script` is a
program that runs unittest itself, e.g. Django's `runtests.py`. TESTED_PATH becomes PYTHONPATH,
for this process only once the imports are done. Kept to what Python 3.6 understands.
"""

import json
import os
import runpy
import sys
import unittest
import unittest.main
from pathlib import Path
from typing import Any

DONE = "done"


class Record:
    """The results file; lines reach it as tests finish."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)

    def tell(self, test: str, outcome: str) -> None:
        """Append one result."""
        os.write(self._file, (json.dumps([test, outcome]) + "\n").encode())

    def tell_case(self, test: unittest.TestCase, outcome: str) -> None:
        """Append a result under each of the two lines that `unittest -v` prints of a test."""
        self.tell(test.id(), outcome)
        described = test.shortDescription()
        if described:
            self.tell(described, outcome)


def recording(record: Record) -> Any:
    """A class of unittest results that also writes them down."""

    class Result(unittest.TextTestResult):
        def addSuccess(self, test: unittest.TestCase) -> None:
            super().addSuccess(test)
            record.tell_case(test, "passed")

        def addError(self, test: unittest.TestCase, err: Any) -> None:
            super().addError(test, err)
            record.tell_case(test, "error")

        def addFailure(self, test: unittest.TestCase, err: Any) -> None:
            super().addFailure(test, err)
            record.tell_case(test, "failed")

        def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
            super().addSubTest(test, subtest, err)
            if err is not None:
                record.tell_case(test, "failed")

        def addSkip(self, test: unittest.TestCase, reason: str) -> None:
            super().addSkip(test, reason)
            record.tell_case(test, "skipped")

        def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
            super().addExpectedFailure(test, err)
            record.tell_case(test, "xfailed")

        def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
            super().addUnexpectedSuccess(test)
            record.tell_case(test, "failed")

    return Result


def run_unittest(record: Record, arguments: "list[str]") -> int:
    """`python -m unittest ARGUMENTS`; returns its exit code."""

    class Runner(unittest.TextTestRunner):
        resultclass = recording(record)

    argv = ["python -m unittest", *arguments]
    program = unittest.main(module=None, argv=argv, testRunner=Runner, exit=False)
    return 0 if program.result.wasSuccessful() else 1


def run_script(record: Record, arguments: "list[str]") -> int:
    """`python SCRIPT ARGUMENTS`, whose unittest runner is given our results; its exit code."""
    unittest.TextTestRunner.resultclass = recording(record)
    script, *sys.argv[1:] = arguments
    sys.argv[0] = script
    sys.path.insert(0, str(Path(script).resolve().parent))
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        return int(ended.code) if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def run_pytest(record: Record, arguments: "list[str]") -> int:
    """`pytest ARGUMENTS`; returns its exit code."""
    import pytest

    class Plugin:
        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.when == "call" or report.outcome != "passed":
                xfailed = report.outcome == "skipped" and hasattr(report, "wasxfail")
                record.tell(report.nodeid, "xfailed" if xfailed else report.outcome)

    return int(pytest.main(arguments, plugins=[Plugin()]))


def main() -> int:
    """Take our own arguments off the command line, then run."""
    _, path, kind, *arguments = sys.argv
    record = Record(path)
    sys.argv = [kind, *arguments]
    tested = os.environ.pop("TESTED_PATH", "")
    if tested:
        os.environ["PYTHONPATH"] = tested
    if kind == "script":
        sys.path[0:1] = tested.split(":")
        code = run_script(record, arguments)
    elif kind == "unittest":
        sys.path[0] = str(Path.cwd())
        code = run_unittest(record, arguments)
    else:
        # `python -m pytest` sees the current folder, `pytest` does not.
        sys.path[0:1] = [str(Path.cwd())] if kind == "python-m-pytest" else []
        sys.path[0:0] = [place for place in tested.split(":") if place]
        code = run_pytest(record, arguments)
    record.tell(DONE, str(code))
    return code


if __name__ == "__main__":
    sys.exit(main())
