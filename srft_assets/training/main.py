"""`python -m srft_assets.training.main job.json`: one training in a process of its own.

Standard output is JSON lines of progress (`report.Lines`); a failure is one line on standard
error and exit code 1.
"""

import gc
import logging
import sys
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError

from srft_assets.errors import SrftError
from srft_assets.training.environment import prepare
from srft_assets.training.job import TrainingJob
from srft_assets.training.report import telling
from srft_assets.training.run import train

USAGE = "usage: python -m srft_assets.training.main job.json"
FAILURES = (SrftError, ValidationError, MemoryError, OSError, RuntimeError, SafetensorError)


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 failed, 2 wrong call."""
    if len(arguments) != 1:
        sys.stderr.write(USAGE + "\n")
        return 2
    logging.captureWarnings(True)
    try:
        job = TrainingJob.model_validate_json(Path(arguments[0]).read_bytes())
        prepare(job)
        with telling() as told:
            _import_heavy()
            train(job, told)
    except FAILURES as error:
        reason = reason_of(error)
        if reason is None:
            raise
        sys.stderr.write(f"error: {reason}\n")
        return 1
    return 0


def _import_heavy() -> None:
    """Import what training needs with the collector off: a sixth of ten seconds is its work."""
    gc.disable()
    import trl

    trl.SFTTrainer  # noqa: B018  (a lazy module: this is the import)
    gc.freeze()
    gc.enable()


OUT_OF_MEMORY = ("out of memory", "can't allocate memory")
DISK_FULL = (
    "No space left",
    "File too large",
    "Disk quota exceeded",
    "unexpected pos",
    "iostream error",
)
"""What the system, safetensors and torch's archive writer say."""


def reason_of(error: BaseException) -> str | None:
    """One line that says what to do; None for a failure that needs its traceback."""
    text = " ".join(str(error).split())
    if isinstance(error, SrftError):
        return text
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"bad job: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, MemoryError) or any(sign in text for sign in OUT_OF_MEMORY):
        return (
            "out of memory: lower micro_batch_tokens in training.options, or max_length, "
            "or train by lora; the last state is kept"
        )
    if any(sign in text for sign in DISK_FULL):
        return "disk full: free some space and materialize again; the last state is kept"
    if isinstance(error, OSError):
        return text
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
