"""Rows of real runs whose labels every reader makes as they were verified, or why they are refused.

    python -m tests.exports.matrix RUNS [--each N] [--tokenizers NAME …] [--formats NAME …]

RUNS is a folder whose folders hold runs; of each N are taken, all by default. Prints the table of
docs/exports.md. Needs the tokenizers of `python -m tests.tokens.fetch_tokenizers`, and PyPI for
axolotl. Ends with 1 where a reader makes other labels of a row.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from srft_assets.exports import FormatName
from srft_assets.home import Home
from srft_assets.tokens.token_labels import IGNORED, MaskedRow
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.model import Trajectory, from_row
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.recipe import digest
from tests.exports.conftest import Platform
from tests.exports.readers import EXACT, read_all
from tests.tokens.fetch_tokenizers import FOLDER, NAMES


def runs_of(folder: Path, each: int | None) -> list[Trajectory]:
    """The runs of every folder in it, the first `each` of each."""
    found: list[Trajectory] = []
    with TemporaryDirectory() as scratch:
        for number, path in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
            home = Home(Path(scratch) / str(number))
            for batch in ingest(home, [path], batch="real").batches:
                rows = Warehouse(home.warehouse).read("trajectories", batch)
                found += list(map(from_row, rows.iter_rows(named=True)))[:each]
    return found


def up_to_the_last_label(row: tuple[list[int], list[int]]) -> str:
    """A digest of ids and labels; what follows the last trained token decides no loss."""
    ids, labels = row
    last = max((at for at, label in enumerate(labels) if label != IGNORED), default=-1) + 1
    return digest([ids[:last], labels[:last]])


@dataclass
class Cell:
    """One tokenizer and one format: runs refused by reason, rows, and those read otherwise."""

    refused: Counter[str]
    rows: int
    other: int = 0

    def __str__(self) -> str:
        refused = self.refused.total()
        told = f"{self.rows - self.other}" + f" + {refused} refused" * bool(refused)
        return told + f" **{self.other} OTHER**" * bool(self.other)


def cells_of(
    platform: Platform, forms: Sequence[FormatName], folder: Path
) -> dict[FormatName, Cell]:
    """Every format exported, and read by its readers."""
    cells = {}
    for form in forms:
        counts = platform.export(form, folder / form).counts
        cells[form] = Cell(counts.refused, counts.total["rows"])
    masked = map(MaskedRow.from_row, platform.rows("real"))
    pairs = [(row.input_ids.tolist(), row.labels().tolist()) for row in masked]
    verified = Counter(map(up_to_the_last_label, pairs))
    outs = {form: folder / form for form, cell in cells.items() if cell.rows}
    for form, readings in read_all(outs, platform.tokenizer).items():
        for rows in readings:
            read = Counter(map(up_to_the_last_label, rows))
            cells[form].other = max(cells[form].other, cells[form].rows - (read & verified).total())
    return cells


def main(argv: Sequence[str]) -> int:
    """Print the table; how many cells hold a row with other labels."""
    ask = argparse.ArgumentParser()
    ask.add_argument("runs", type=Path)
    ask.add_argument("--each", type=int)
    ask.add_argument("--tokenizers", nargs="*", default=NAMES)
    ask.add_argument("--formats", nargs="*", type=FormatName, default=EXACT)
    asked = ask.parse_args(argv)
    runs = runs_of(asked.runs, asked.each)
    wrong, reasons = 0, Counter[str]()
    print(f"{len(runs)} runs\n\n| tokenizer | masked |", " | ".join(asked.formats), "|")
    print("| --- |" + " --- |" * (len(asked.formats) + 1))
    for name in asked.tokenizers:
        with TemporaryDirectory() as scratch:
            platform = Platform(Home(Path(scratch) / "home"), FOLDER / name)
            platform.add("real", *runs)
            cells = cells_of(platform, asked.formats, Path(scratch))
            masked = len({row["trajectory_id"] for row in platform.rows("real")})
        print(f"| {name} | {masked} |", " | ".join(map(str, cells.values())), "|", flush=True)
        for form, cell in cells.items():
            wrong += bool(cell.other)
            reasons.update({f"{name}, {form}: {why}": n for why, n in cell.refused.items()})
    print("\n" + "\n".join(f"- {why}: {count}" for why, count in reasons.items()))
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
