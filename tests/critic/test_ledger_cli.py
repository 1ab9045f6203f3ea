"""`srft ledger verify` and `srft ledger export`, as people see them."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result
from typer.testing import CliRunner

from srft_assets.cli.ledger import ledger
from srft_assets.critic.ledger import Ledger
from srft_assets.database.store import ANSWERS, database_of
from srft_assets.home import Home
from tests.critic.ledger_support import key_of, reply


def said(home: Home, *words: str) -> Result:
    return CliRunner().invoke(ledger, list(words), env={"SRFT_HOME": str(home.root)})


@pytest.fixture
def answered(home: Home) -> Home:
    with Ledger(home) as kept:
        for number in range(3):
            kept.keep(reply(number, batch="a"))
    return home


def test_a_sound_ledger_is_one_line(answered: Home) -> None:
    found = said(answered, "verify")
    assert (found.exit_code, found.stdout) == (0, "answers: 3; damaged: 0\n")
    assert (answered.warehouse / "critic_calls" / "default" / "a.parquet").exists()


def test_damage_is_one_line_each_and_exits_1(answered: Home) -> None:
    with database_of(answered).write() as connection:
        row = sa.update(ANSWERS).where(ANSWERS.c.key == key_of(1))
        connection.execute(row.values(content="something else"))
    found = said(answered, "verify")
    assert found.exit_code == 1
    first, last = found.stdout.splitlines()
    assert first.startswith(f"{key_of(1)}: not as it was kept")
    assert last == "answers: 3; damaged: 1"


def test_what_is_exported_is_taken_over_by_another_home(answered: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.ledger.mkdir(parents=True)
    out = other.ledger / "all.jsonl"
    assert said(answered, "export", "--out", str(out)).stdout.startswith("wrote 3 answers to")
    assert said(answered, "export", "--out", str(out)).exit_code == 1, "it overwrites nothing"
    with Ledger(other) as kept:
        found = kept.find([key_of(number) for number in range(3)])
    assert found == {key_of(number): reply(number, batch="a") for number in range(3)}


def test_an_empty_ledger_is_exported_too(home: Home, tmp_path: Path) -> None:
    assert said(home, "verify").stdout == "answers: 0; damaged: 0\n"
    assert said(home, "export", "--out", str(tmp_path / "none.jsonl")).exit_code == 0
    assert (tmp_path / "none.jsonl").read_bytes() == b""
