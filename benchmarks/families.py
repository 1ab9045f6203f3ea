"""What becomes of recorded runs under the chat template of each model family.

    python -m benchmarks.families RUNS… [--tokenizers FOLDER]

Prints the table of docs/masking.md. RUNS are folders that `srft ingest` reads; FOLDER holds a
tokenizer a family, as `python -m tests.tokens.fetch_tokenizers FOLDER` fetches them; those marked
† have their own template and control tokens with a vocabulary made here. A cell counts
the runs whose every step was verified of those that there are: all, those with tool calls, those
that were offered tools. What becomes of thinking is tried on two small chats. The tokens that turns
end with, with the number of turns, are those that a checkpoint trained on the rows stops at.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.recorded import job_of, runs_below
from srft_assets.tokens.calls import calls_of
from srft_assets.tokens.mask import mask_runs
from srft_assets.tokens.stage import STEP
from srft_assets.tokens.template import REASONING
from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer
from srft_assets.trajectories.model import Step, Trajectory
from tests.families import FAMILIES, write_tokenizer
from tests.tokens.fetch_tokenizers import FOLDER

HEAD = (
    "| family | runs verified | with tool calls | with tools told | thinking | turns end with |\n"
    "| --- | ---: | ---: | ---: | --- | --- |"
)
QUESTION = {"role": "user", "content": "Repair p.py."}
TURN = {"role": "assistant", "content": "ls", REASONING[0]: "I look."}
THINKING = {"one turn": [QUESTION, TURN], "every turn": [QUESTION, TURN, QUESTION, TURN]}


class Counted:
    """Runs of one kind: those that are verified, of those that there are."""

    def __init__(self) -> None:
        self.verified = self.all = 0

    def add(self, verified: bool) -> None:
        """One more."""
        self.all += 1
        self.verified += verified

    def __str__(self) -> str:
        return f"{self.verified} of {self.all}" if self.all else "–"


def row_of(
    name: str, tokenizer: ChatTokenizer, runs: Sequence[Trajectory]
) -> tuple[str, Counter[str]]:
    """A family's line of the table, and why runs were refused."""
    every, calling, offered = Counted(), Counted(), Counted()
    ends: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    texts = {number: text for text, number in tokenizer.special_ids.items()}
    jobs = (job_of(run) for run in runs)
    for run, row in zip(runs, mask_runs(jobs, tokenizer), strict=True):
        verified = not isinstance(row, RunRefusedError)
        every.add(verified)
        if any(map(calls_of, run.messages)):
            calling.add(verified)
        if run.tools:
            offered.add(verified)
        if isinstance(row, RunRefusedError):
            refused[STEP.sub(r"\1 …", str(row))] += 1
        else:
            ends.update(texts[int(row.input_ids[span.end - 1])] for span in row.spans)
    told = ", ".join(f"`{end}` {count:,}" for end, count in ends.most_common())
    cells = [name, every, calling, offered, thinking_of(tokenizer), told or "–"]
    # A bar within a cell ends it, in code too, unless it is escaped.
    escaped = [str(cell).replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(escaped)} |", refused


def thinking_of(tokenizer: ChatTokenizer) -> str:
    """What becomes of `reasoning_content`, in a run of one turn and in one of two."""
    told = []
    for where, chat in THINKING.items():
        steps = [Step(place // 2, place, "") for place in range(1, len(chat), 2)]
        run = Trajectory("run.0", "run", "unknown", "messages", chat, steps)
        (row,) = mask_runs([job_of(run)], tokenizer)
        if isinstance(row, RunRefusedError):
            told.append(f"{where}: refused")
        else:
            told.append(f"{where}: {'dropped, counted' if row.thinking_dropped else 'kept'}")
    same = {one.partition(": ")[2] for one in told}
    return same.pop() if len(same) == 1 else "; ".join(told)


def main() -> None:
    """Print the table, and below it why runs were refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--tokenizers", type=Path, default=FOLDER)
    stated = parser.parse_args()
    runs = list(runs_below(stated.runs))
    print(HEAD)
    reasons = {}
    with TemporaryDirectory() as scratch:
        small = {f"{name} †": Path(scratch) / name for name in ("gemma2", "glm4_5")}
        for folder in small.values():
            write_tokenizer(FAMILIES[folder.name], folder)
        real = {
            path.parent.name: path.parent for path in stated.tokenizers.glob("*/tokenizer.json")
        }
        for name, folder in sorted({**real, **small}.items()):
            line, reasons[name] = row_of(name, load_tokenizer(folder), runs)
            print(line, flush=True)
    for name, refused in reasons.items():
        for reason, count in refused.most_common(3):
            print(f"{name}: {count} × {reason}")


if __name__ == "__main__":
    main()
