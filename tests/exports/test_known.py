"""`srft ls exports` and `srft delete export`: what was written, wherever it lies."""

import json
from collections import Counter
from pathlib import Path

import pytest

from srft_assets.errors import UsageError
from srft_assets.exports.card import Counts
from srft_assets.exports.known import COLUMNS, export_folder, known_exports, remember
from srft_assets.exports.writer import MANIFEST
from srft_assets.home import Home
from srft_assets.platform.overview import listing
from srft_assets.platform.removal import Removal, remove
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.warehouse.catalogue import build_catalogue


def written(home: Home, folder: Path, arm: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "data.jsonl").write_text("{}\n")
    counts = Counts({"resolved": Counter(runs=1, rows=1), "timeout": Counter(runs=1, rows=2)})
    told = {"format": "trl", "files": {"data.jsonl": None}, "counts": counts.as_dict()}
    (folder / MANIFEST).write_text(json.dumps(told))
    remember(home, folder, arm)
    return folder


def test_exports_are_listed_with_a_condition_until_they_are_gone(home: Home, tmp_path) -> None:
    build_catalogue(home, SCHEMAS)
    assert listing(home, {}, "exports").is_empty()
    written(home, tmp_path / "one", "srft")
    written(home, tmp_path / "two", "sft")
    rows = listing(home, {}, "exports", "arm = 'srft'")
    assert rows.columns == [*COLUMNS]
    assert rows.select("name", "format", "runs", "rows").rows() == [("one", "trl", 2, 3)]
    remove(home, Removal((), (export_folder(home, "one"),)))
    assert [row["name"] for row in known_exports(home)] == ["two"]


def test_a_folder_with_other_files_or_of_an_unclear_name_stays(home: Home, tmp_path) -> None:
    for place in ("a", "b"):
        written(home, tmp_path / place / "set", "srft")
    for name in ("set", "none"):
        with pytest.raises(UsageError):
            export_folder(home, name)
    assert export_folder(home, str(tmp_path / "a" / "set")) == tmp_path / "a" / "set"
    (tmp_path / "b" / "set" / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"notes\.txt"):
        export_folder(home, str(tmp_path / "b" / "set"))


def test_a_folder_that_another_platform_wrote_anew_is_its_own(home: Home, tmp_path) -> None:
    folder, other = written(home, tmp_path / "one", "srft"), Home(tmp_path / "other")
    told = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**told, "format": "axolotl"}))
    remember(other, folder, "sft")
    assert known_exports(home) == []
    assert [row["arm"] for row in known_exports(other)] == ["sft"]
