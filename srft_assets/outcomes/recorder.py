"""Runs unittest or pytest and writes one JSON line a finished test. Runs inside the sandbox.

    python recorder.py RESULTS WANTED (unittest|pytest|python-m-pytest|script)

It is copied beside the repository under test, so it imports the standard library only, and
all of it before the repository is importable: a `unittest.py` of the patch is never found.
WANTED is a JSON object: `tests`, the only ones that are run, and `arguments`, the runner's. Printed
lines count for nothing, and a run that ends early lacks its last line. `script` is a program that
runs unittest itself, e.g. Django's `runtests.py`. TESTED_PATH becomes PYTHONPATH, for this process
only once the imports are done.
pytest loads the plug-ins of its own environment, and its configuration is that of the root folder.
Kept to what Python 3.6 understands.
"""

import configparser
import json
import os
import runpy
import sys
import unittest
import unittest.main
from pathlib import Path
from typing import Any

DONE = "done"
TESTED_PYTEST = "TESTED_PYTEST"
"""Set where the repository is pytest's own, which then tests itself."""
CONFIGURATIONS = {
    "pytest.toml": "",
    ".pytest.toml": "",
    "pytest.ini": "",
    ".pytest.ini": "",
    "pyproject.toml": "[tool.pytest",
    "tox.ini": "[pytest]",
    "setup.cfg": "[tool:pytest]",
}
"""Files that configure pytest, in its order, and what each must hold to do so."""


OUTCOMES = {
    "addSuccess": "passed",
    "addError": "error",
    "addFailure": "failed",
    "addSkip": "skipped",
    "addExpectedFailure": "xfailed",
    "addUnexpectedSuccess": "failed",
}
"""How a test of unittest ended, by the method that hears of it."""


class Record:
    """The results file; lines reach it as tests finish. `wanted`: the tests to run.

    `described`: whether a test is also known by the first line of its docstring, as Django's are.
    """

    def __init__(self, path: str, wanted: "list[str]", described: bool) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        self._wanted = frozenset(wanted)
        self._described = described

    def tell(self, test: str, outcome: str) -> None:
        """Append one result."""
        os.write(self._file, (json.dumps([test, outcome]) + "\n").encode())

    def tell_case(self, test: unittest.TestCase, outcome: str) -> None:
        """Append a result under each name of the test."""
        for name in self.names(test):
            self.tell(name, outcome)

    def names(self, test: unittest.TestCase) -> "list[str]":
        """What a test is called in lists of tests."""
        described = self._described and test.shortDescription()
        return [test.id(), described] if described else [test.id()]

    def chosen(self, suite: Any) -> unittest.TestSuite:
        """The wanted tests of a suite, in its order, and what could not be loaded."""
        found, waiting = [], [suite]
        while waiting:
            one = waiting.pop()
            if isinstance(one, unittest.TestSuite):
                waiting.extend(reversed(list(one)))
            elif type(one).__name__ == "_FailedTest" or self.wants(*self.names(one)):
                found.append(one)
        return unittest.TestSuite(found)

    def wants(self, *names: str) -> bool:
        """Whether a test of one of these names is to be run.

        Lists of SWE-bench cut pytest's ids at the first blank, and have bare function names for
        sympy's.
        """
        for name in names:
            forms = {name, name.split(" ")[0], name.rpartition("::")[2].partition("[")[0]}
            if forms & self._wanted:
                return True
        return False


def recording(record: Record) -> Any:
    """A class of unittest results that also writes them down."""

    class Result(unittest.TextTestResult):
        def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
            super().addSubTest(test, subtest, err)
            if err is not None:
                record.tell_case(test, "failed")

    def telling(add: Any, outcome: str) -> Any:
        def told(self: Result, test: unittest.TestCase, *more: Any) -> None:
            add(self, test, *more)
            record.tell_case(test, outcome)

        return told

    for name, outcome in OUTCOMES.items():
        setattr(Result, name, telling(getattr(Result, name), outcome))
    return Result


def run_unittest(record: Record, arguments: "list[str]") -> int:
    """`python -m unittest ARGUMENTS`; returns its exit code."""

    class Runner(unittest.TextTestRunner):
        resultclass = recording(record)

        def run(self, test: Any) -> Any:
            return super().run(record.chosen(test))

    argv = ["python -m unittest", *arguments]
    program = unittest.main(module=None, argv=argv, testRunner=Runner, exit=False)
    return 0 if program.result.wasSuccessful() else 1


def run_script(record: Record, arguments: "list[str]") -> int:
    """`python SCRIPT ARGUMENTS`, whose unittest runner is given our results; its exit code."""
    whole = unittest.TextTestRunner.run

    def run(self: unittest.TextTestRunner, test: Any) -> Any:
        return whole(self, record.chosen(test))

    unittest.TextTestRunner.run = run  # type: ignore[method-assign]  # the script makes the runner
    unittest.TextTestRunner.resultclass = recording(record)
    script, *sys.argv[1:] = arguments
    sys.argv[0] = script
    sys.path.insert(0, str(Path(script).resolve().parent))
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        return int(ended.code) if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def run_pytest(record: Record, arguments: "list[str]", plugins: "list[str]") -> int:
    """`pytest ARGUMENTS`; returns its exit code."""
    import pytest

    class Plugin:
        @pytest.hookimpl(trylast=True)
        def pytest_collection_modifyitems(self, items: "list[Any]") -> None:
            items[:] = [item for item in items if record.wants(item.nodeid)]

        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.when == "call" or report.outcome != "passed":
                xfailed = report.outcome == "skipped" and hasattr(report, "wasxfail")
                record.tell(report.nodeid, "xfailed" if xfailed else report.outcome)

    root = str(Path.cwd())
    places = ["-c", configuration(), "--rootdir", root, "--confcutdir", root]
    named = [word for plugin in plugins for word in ("-p", plugin)]
    return int(pytest.main([*places, *named, *arguments], plugins=[Plugin()]))


def configuration() -> str:
    """The file of the current folder that pytest would take for its own, else none at all."""
    for name, mark in CONFIGURATIONS.items():
        path = Path(name)
        if path.is_file() and mark in path.read_text(encoding="utf-8", errors="replace"):
            return name
    return os.devnull


def installed_plugins() -> "list[str]":
    """Names of the pytest plug-ins of this environment; asked before the repository is in it."""
    found = []
    for folder in sys.path:
        for path in sorted(Path(folder).glob("*.dist-info/entry_points.txt")):
            points = configparser.RawConfigParser(delimiters=("=",), strict=False)
            points.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
            points.read(str(path), encoding="utf-8")
            found += points.options("pytest11") if points.has_section("pytest11") else []
    return found


def main() -> int:
    """Take our own arguments off the command line, then run."""
    _, path, wanted, kind = sys.argv
    told = json.loads(Path(wanted).read_text(encoding="utf-8"))
    arguments = told["arguments"]
    record = Record(path, told["tests"], described=kind == "script")
    sys.argv = [kind, *arguments]
    sys.path.pop(0)
    plugins = installed_plugins()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    if os.environ.pop(TESTED_PYTEST, "") == "" and kind in ("pytest", "python-m-pytest"):
        import pytest  # noqa: F401 a `pytest.py` of the repository is never found
    tested = os.environ.pop("TESTED_PATH", "")
    if tested:
        os.environ["PYTHONPATH"] = tested
    sys.path[0:0] = [place for place in tested.split(":") if place]
    # `python -m …` sees the current folder, `pytest` does not.
    sys.path[0:0] = [str(Path.cwd())] if kind in ("unittest", "python-m-pytest") else []
    if kind == "script":
        code = run_script(record, arguments)
    elif kind == "unittest":
        code = run_unittest(record, arguments)
    else:
        code = run_pytest(record, arguments, plugins)
    record.tell(DONE, str(code))
    return code


if __name__ == "__main__":
    sys.exit(main())
