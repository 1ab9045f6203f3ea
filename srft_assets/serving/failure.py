"""Why a server did not come up, in words that say what to do."""

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from srft_assets.serving.guard import NOT_FOUND
from srft_assets.serving.spec import ServerSpec
from srft_assets.text import printable

TAIL_LINES = 20
SEARCHED_BYTES = 200_000
"""Of the log's end; the error that counts may stand before a long traceback."""
CAUSE_CHARS = 300
HARMLESS = re.compile(r"\b(INFO|WARNING|DEBUG) \d\d-\d\d ")
"""vLLM's log lines; a warning may quote an error that did not happen."""
ERROR = re.compile(
    r"[A-Z]\w*(Error|Exception): (?!\d+ validation error).*|Value error, .*|error: .*"
)
NOT_INSTALLED = (
    'pip install "srft-assets[vllm]", or state the `command` of another environment, '
    "or the URL of a running server"
)
HINTS = (
    (
        r"larger than the available KV cache|No available memory for the cache blocks",
        "too little memory beside the weights: lower max_model_len, raise gpu_memory_utilization "
        "or tensor_parallel_size",
    ),
    (
        r"out of memory|OutOfMemoryError|MemoryError|can't allocate memory"
        r"|less than desired [CG]PU memory utilization",
        "out of memory: lower gpu_memory_utilization or max_model_len, "
        "raise tensor_parallel_size, or end what else uses the memory",
    ),
    (r"[Aa]ddress already in use", "the port is taken: port 0 takes a free one"),
    (
        r"No module named '?vllm\b|No package metadata was found for vllm",
        f"vLLM is not installed there: {NOT_INSTALLED}",
    ),
    (
        r"not a valid model identifier|Invalid repository ID|RepositoryNotFound|GatedRepo"
        r"|LocalEntryNotFound|Repo id must|couldn't connect to",
        "unknown model: state a local folder or a Hub id (HF_TOKEN for one behind a gate)",
    ),
    (
        r"greater than the derived max_model_len",
        "the model's context is shorter: lower max_model_len",
    ),
    (r"World size .* is larger than", "fewer GPUs than that: lower tensor_parallel_size"),
    (r"unrecognized arguments|invalid choice", "this vLLM does not know the argument"),
)


def failure(
    spec: ServerSpec, log: Path, secret: str, ended: int | None, seconds: float, lacking: str
) -> str:
    """What to tell of a start that failed: how, a hint, and the end of the log.

    Args:
        spec: of the server.
        log: its output.
        secret: text that must not be shown.
        ended: the server's exit code, 128 + the signal that ended it; None while it runs.
        seconds: since the start.
        lacking: what it lacked when asked last.
    """
    lines = _lines(log, secret)
    if ended is None:
        how = f"does not answer after {seconds:.0f} s ({lacking})"
        hint = "give it more start_timeout"
    else:
        how = f"{_end(ended)} after {seconds:.0f} s"
        hint = "perhaps the system wanted memory" if ended == 128 + signal.SIGKILL else ""
    line, known = _cause(lines)
    said = "; ".join(part for part in (line[:CAUSE_CHARS], known or hint) if part)
    said = f"the server of {spec.model} {how}" + (f": {said}" if said else "")
    tail = "\n".join(lines[-TAIL_LINES:]) or "(it printed nothing)"
    return f"{said}\n{log}:\n{tail}"


def last_line(log: Path, secret: str) -> str:
    """The last line of the log that says something."""
    lines = _lines(log, secret)
    return lines[-1] if lines else ""


def _end(code: int) -> str:
    if code == NOT_FOUND:
        return "could not be started"
    if code > 128:
        return f"was killed by {signal.Signals(code - 128).name}"
    return f"ended with exit code {code}"


def _cause(lines: Sequence[str]) -> tuple[str, str]:
    """The first line that states an error, and the hint for the first that is known.

    Those after it are its consequences: `Engine core initialization failed`.
    """
    grave = [line for line in lines if not HARMLESS.search(line)]
    stated = next((match[0] for line in grave if (match := ERROR.search(line))), "")
    known = (hint for line in grave for pattern, hint in HINTS if re.search(pattern, line))
    return stated, next(known, "")


def _lines(log: Path, secret: str) -> list[str]:
    """The last lines that are not blank, printable, without the secret."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - SEARCHED_BYTES))
        text = file.read().decode("utf-8", "replace")
    # A progress bar writes its states over each other.
    lines = [
        re.sub(r"\x1b\[[0-9;]*m", "", line) for line in text.replace(secret, "***").splitlines()
    ]
    shown = [printable(line).rstrip() for line in lines]
    return [line for line in shown if line]
