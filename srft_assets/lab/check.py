"""Run all tests; one short line for each that fails."""

import sys
import unittest
from typing import Any


class Brief(unittest.TestResult):
    def tell(self, test: unittest.TestCase, error: Any) -> None:
        name = test.id().rpartition(".")[2].removeprefix("test_")
        lines = str(error[1]).strip().splitlines() or [error[0].__name__]
        print(f"FAIL {name}: {lines[-1]}")

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self.tell(test, err)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self.tell(test, err)


def main() -> int:
    result = Brief()
    unittest.defaultTestLoader.discover(".").run(result)
    if result.wasSuccessful():
        print(f"OK, {result.testsRun} tests pass")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
