"""`python -m srft_assets.training.main job.json`: one training in a process of its own.

Standard output is JSON lines of progress (`report.Lines`); a failure is one line on standard
error and exit code 1.
"""

import errno
import logging
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from srft_assets.errors import SrftError
from srft_assets.training.job import TrainingJob
from srft_assets.training.report import telling

USAGE = "usage: python -m srft_assets.training.main job.json"
QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "WANDB_MODE": "disabled",
}
"""Set before transformers is imported; what the environment says already stays."""


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 failed, 2 wrong call."""
    if len(arguments) != 1:
        sys.stderr.write(USAGE + "\n")
        return 2
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.captureWarnings(True)
    try:
        job = TrainingJob.model_validate_json(Path(arguments[0]).read_bytes())
        if Path(job.base_model).is_dir():
            os.environ["HF_HUB_OFFLINE"] = "1"
        with telling() as told:
            from srft_assets.training.run import train

            train(job, told)
    except (SrftError, ValidationError, MemoryError, OSError, RuntimeError) as error:
        reason = reason_of(error)
        if reason is None:
            raise
        sys.stderr.write(f"error: {reason}\n")
        return 1
    return 0


def reason_of(error: BaseException) -> str | None:
    """One line that says what to do; None for a failure that needs its traceback."""
    text = " ".join(str(error).split())
    if isinstance(error, SrftError):
        return text
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"bad job: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate" in text:
        return (
            "out of memory: lower micro_batch_tokens in training.options, or max_length; "
            "the last state is kept"
        )
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in text:
        return "disk full: free some space and materialize again; the last state is kept"
    if isinstance(error, OSError):
        return text
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
