"""A process that helps: `python -m srft_assets.trajectories.helper_main FOLDER`.

Calls come pickled on standard input, from the process that started this one and from nobody
else; what they return goes to standard output. It ends when its input ends, as it does when the
other process is killed, and removes the folder that it was told to leave rows in.
"""

import os
import pickle
import shutil
import signal
import sys
from typing import Any, BinaryIO

from srft_assets.trajectories import parts, scan

__all__ = ["parts", "scan"]


def main() -> None:
    """Answer calls until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other process's affair
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        answer_all(sys.stdin.buffer, answers)
    finally:
        shutil.rmtree(sys.argv[1], ignore_errors=True)


def answer_all(calls: BinaryIO, answers: BinaryIO) -> None:
    """Answer with what each call returns, and with the error that it raises, if any."""
    while True:
        try:
            call = pickle.load(calls)
        except EOFError:
            return
        answer: tuple[Any, str | None]
        try:
            answer = call(), None
        except Exception as error:  # noqa: BLE001 - whoever asked does it again, and tells
            answer = None, f"{type(error).__name__}: {error}"
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    main()
