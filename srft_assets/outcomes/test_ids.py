"""Names of tests, in one form."""

import re

VERBOSE = re.compile(r"(?P<method>\S+) \((?P<owner>[^()\s]+)\)")
"""As `python -m unittest -v` prints them: `test_x (mod.Class)`, since 3.11 `(mod.Class.test_x)`."""


def canonical(test: str) -> str:
    """`module.Class.method` for any of unittest's forms; other ids as they are."""
    found = VERBOSE.fullmatch(test.strip())
    if found is None:
        return test.strip()
    owner, method = found["owner"], found["method"]
    return owner if owner.rpartition(".")[2] == method else f"{owner}.{method}"
