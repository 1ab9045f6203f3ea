"""Run several `srft …` commands in one process, to pay for its imports once.

Reads a JSON list of argument lists from standard input and writes a JSON list of
`[exit code, standard output, standard error]` to standard output.
"""

import contextlib
import io
import json
import sys


def run(words: list[str]) -> tuple[int, str, str]:
    """One command as the installed program runs it."""
    from srft_assets.cli import main

    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["srft", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code: object = 0
        except SystemExit as end:
            code = end.code
    return (
        (code if isinstance(code, int) else int(code is not None)),
        out.getvalue(),
        err.getvalue(),
    )


if __name__ == "__main__":
    told = [run(words) for words in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(told))
