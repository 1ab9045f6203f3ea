"""Text that others wrote, in a prompt: readable, counted in tokens, cut to a budget, and fenced
between lines that it cannot write."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from srft_assets.errors import SrftError, headline
from srft_assets.text import visible_in_lines

CHAT_TOKENS = (
    (
        re.compile(
            r"<(?=[|｜][^\s<>]{1,80}[|｜]>"
            r"|/?(?:s|think|tool_call|tool_response|start_of_turn|end_of_turn)>"
            r"|(?:bos|eos|pad|unk|sop|eop)>|</?SYS>>)"
        ),
        "< ",
    ),
    (
        re.compile(
            r"\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS|THINK)\]|gMASK\])"
        ),
        "[ ",
    ),
)
"""What a chat template may write between turns, by its first character, and what stands there
instead: ChatML, Llama, Mistral, Gemma, DeepSeek, GLM. A server that tokenizes a rendered chat reads
such text as the token itself, so it would end the user's turn."""


def readable(text: str) -> str:
    """The text with line breaks and tabs kept and everything else that hides made visible.

    Control characters, ANSI escapes, bidirectional and invisible characters and lone surrogates
    become symbols or `\\uXXXX` (see `visible`); `\\r\\n` becomes `\\n`. Tokens of chat templates
    get a space after their first character (`< |im_end|>`), so that no tokenizer knows them.
    """
    text = visible_in_lines(text)
    for token, instead in CHAT_TOKENS:
        text = token.sub(instead, text)
    return text


def fence_id(seed: str, texts: Iterable[str]) -> str:
    """8 hex digits that occur in none of the texts, however they are written (upper case, wide or
    mathematical letters, Cyrillic and Greek ones that look alike): the same for the same texts.

    Derived from `seed`, again and again until they occur nowhere. With the task as seed, runs of
    the same task share their fences, so that a server's prefix cache holds the task once.
    """
    everything = _plain("\n".join(texts))
    for attempt in range(len(everything) + 1):
        made = hashlib.sha256(f"{attempt}\n{seed}".encode()).hexdigest()[:8]
        if made not in everything:
            return made
    raise AssertionError("a text holds fewer fences than characters")


LOOKALIKES = str.maketrans(
    "\u0430\u0251\u03b1\u0441\u03f2\u0435\u04bd\u0501\u043e\u03bf\u0585\u04cf", "aaacceed0001"
)
"""Letters of other scripts that are read as hexadecimal digits."""


def _plain(text: str) -> str:
    text = text.lower()
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text).casefold().translate(LOOKALIKES)


def fenced(fence: str, kind: str, text: str, note: str = "") -> str:
    """The text between the lines `<kind_id note>` and `</kind_id>`."""
    return f"{opening(fence, kind, note)}\n{text}\n</{kind}_{fence}>"


def opening(fence: str, kind: str, note: str = "") -> str:
    return f"<{kind}_{fence} {note}>" if note else f"<{kind}_{fence}>"


Count = Callable[[str], int]
"""Text in, number of tokens out."""

BYTES_A_TOKEN = 3
"""Code and logs hold 3 to 4 bytes a token with today's tokenizers; 3 errs on the safe side."""


def estimate(text: str) -> int:
    """A third of the UTF-8 bytes, rounded up."""
    return tokens_of(len(text.encode("utf-8", "surrogatepass")))


def tokens_of(size: int) -> int:
    return -(-size // BYTES_A_TOKEN)


def counter(tokenizer: str | None) -> Count:
    """Counts with a `tokenizer.json` (a path, or its folder) or the tokenizer of a Hub id.

    None gives the estimate. Raises SrftError where there is no such tokenizer.
    """
    return estimate if tokenizer is None else _counter(tokenizer)


def counter_fingerprint(tokenizer: str | None) -> str:
    """What decides the counts, for provenance: of a local tokenizer 16 hex digits of its file.

    `hub:<id>` for a Hub id, which stands for itself: its file may not be here yet.
    """
    if tokenizer is None:
        return f"estimate: {BYTES_A_TOKEN} bytes"
    path = _local(tokenizer)
    if path is None:
        return f"hub:{tokenizer}"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@lru_cache(maxsize=8)
def _counter(name: str) -> Count:
    from tokenizers import Tokenizer

    path = _local(name) or _from_hub(name)
    try:
        tokenizer: Any = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise SrftError(f"{path} is no tokenizer.json: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _local(name: str) -> Path | None:
    """The file of a local tokenizer; None where the name may be a Hub id."""
    path = Path(name).expanduser()
    if path.is_dir():
        path = path / "tokenizer.json"
    if path.is_file():
        return path
    if path.is_absolute() or name.startswith((".", "~")) or path.suffix == ".json":
        raise SrftError(f"no tokenizer at {path}: context.tokenizer wants a tokenizer.json")
    return None


def _from_hub(name: str) -> Path:
    """From the Hub's cache on this machine, else from the Hub."""
    from httpx import HTTPError
    from huggingface_hub import hf_hub_download

    try:
        try:
            return Path(hf_hub_download(name, "tokenizer.json", local_files_only=True))
        except OSError:
            return Path(hf_hub_download(name, "tokenizer.json"))
    except (HTTPError, OSError, ValueError) as error:
        told = f"no such file, and the Hugging Face Hub gives none ({headline(error)})"
        raise SrftError(f"no tokenizer {name}: {told}") from error


REACH = 16
"""Characters a token that are looked at: what lies further inside a longer text is never read."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One text that was shown in part.

    Attributes:
        step_index: the step; None for the task and for what comes from grading.
        field: `thought`, `action`, `observation`, `task`, `failed_tests` or `gold_patch`.
        tokens_before: of the text; extrapolated where most of it was never read.
        tokens_after: of what is shown, without the marker.
    """

    step_index: int | None
    field: str
    tokens_before: int
    tokens_after: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A foreign text as the prompt shows it: `tokens` are those of `text`."""

    text: str
    tokens: int
    cut: Cut | None = None


def show(text: str, budget: int, count: Count, field: str, step_index: int | None = None) -> Shown:
    """The text made readable, at most `budget` tokens of it.

    A longer text keeps its head and its tail, half the budget each, around a line that says how
    many tokens are missing. The work is bounded by the budget, not by the text.
    """
    reach = budget * REACH
    if len(text) > 2 * reach:
        head, tail = readable(text[:reach]), readable(text[-reach:])
        sample = count(head) + count(tail)
        before = max(sample * len(text) // (2 * reach), budget + 1)
    else:
        whole = readable(text)
        before = sample = count(whole)
        if before <= budget:
            return Shown(whole, before)
        half = len(whole) // 2
        head, tail = whole[:half], whole[half:]
    head, tail, after = _shrink(head, tail, sample, budget, count)
    marker = f"[… {before - after} tokens cut …]"
    cut = Cut(step_index, field, before, after)
    return Shown(f"{head}\n{marker}\n{tail}", after + estimate(marker), cut)


def _shrink(head: str, tail: str, sample: int, budget: int, count: Count) -> tuple[str, str, int]:
    """Equal numbers of characters of both that are within the budget, and their tokens."""
    room = (len(head) + len(tail)) * budget // (2 * max(sample, 1))
    while True:
        start, end = head[:room], tail[max(len(tail) - room, 0) :]
        tokens = count(start) + count(end)
        if tokens <= budget or not room:
            return start, end, tokens
        room = min(room - 1, room * budget // tokens)
