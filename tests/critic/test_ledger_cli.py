"""`srft ledger verify` and `srft ledger compact`, as people see them."""

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from srft_assets.cli.ledger import ledger
from srft_assets.critic.ledger.ledger import Ledger
from srft_assets.home import Home
from tests.critic.ledger_support import reply


def said(home: Home, word: str) -> Result:
    return CliRunner().invoke(ledger, [word], env={"SRFT_HOME": str(home.root)})


def append(home: Home, *numbers: int, **changes: object) -> Path:
    there = set(home.ledger.glob("*.jsonl"))
    with Ledger(home.ledger) as writer:
        for number in numbers:
            writer.append(reply(number, **changes))
    (made,) = set(home.ledger.glob("*.jsonl")) - there
    return made


def test_a_sound_ledger_is_one_line(home: Home) -> None:
    append(home, 1, 2)
    append(home, 2, at="2027")
    found = said(home, "verify")
    assert found.exit_code == 0
    assert found.stdout == "answers: 3; files: 2; answered more than once: 1; torn: 0; damaged: 0\n"


def test_a_torn_line_is_told_and_is_no_failure(home: Home) -> None:
    path = append(home, 1, 2)
    path.write_bytes(path.read_bytes()[:-9])
    found = said(home, "verify")
    assert found.exit_code == 0
    first, counts = found.stdout.splitlines()
    assert first.startswith(f"{path.name}, line 2: torn")
    assert counts.endswith("torn: 1; damaged: 0")


def test_damage_is_one_line_each_and_exits_1(home: Home) -> None:
    path = append(home, 1, 2, 3)
    path.write_bytes(path.read_bytes().replace(b"[1]", b"[7]").replace(b"[3]", b"[7]"))
    found = said(home, "verify")
    assert found.exit_code == 1
    lines = found.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == [
        f"{path.name}, line 1",
        f"{path.name}, line 3",
    ]


@pytest.mark.parametrize("word", ["verify", "compact"])
def test_without_a_ledger_there_is_nothing_to_do(home: Home, word: str) -> None:
    found = said(home, word)
    assert found.exit_code == 0
    assert not home.ledger.exists()


def test_compaction_tells_what_it_merged_and_left(home: Home) -> None:
    append(home, *range(50))
    append(home, 1, 2, at="2027")
    damaged = append(home, 60)
    damaged.write_bytes(damaged.read_bytes().replace(b"[60]", b"[70]"))
    with Ledger(home.ledger) as writer:
        writer.append(reply(61))
        found = said(home, "compact")
    assert found.exit_code == 0
    left, at_work, merged, sizes = found.stdout.splitlines()
    assert damaged.name in left and "damaged" in left
    assert "writer is at work" in at_work
    expected = "compact-1.parquet: answers: 50; merged files: 2; dropped: 2 doubled, 0 torn"
    assert merged == expected
    before, after = sizes.removesuffix(" after").split(" before, ")
    assert before.endswith(" kB") and after.endswith(" kB")
