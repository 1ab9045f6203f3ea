"""Every command has `--json`: one object on standard output, with the same exit codes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from srft_assets.cli.app import app
from srft_assets.cli.as_json import WITHOUT
from srft_assets.home import Home
from tests.cli.conftest import Srft, source

RULES = "step_verdicts/rules"


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by the words that call it."""
    inner = getattr(command, "commands", {})
    if not inner:
        yield " ".join(words), command
    for name, one in inner.items():
        yield from commands(one, (*words, name))


def told(srft: Srft, *words: str, code: int = 0) -> dict[str, Any]:
    """The one object that the command prints."""
    said = srft(*words, "--json")
    assert said.code == code, said.err
    found = json.loads(said.out)
    assert isinstance(found, dict)
    return found


def test_every_command_has_it_but_those_that_say_why_not() -> None:
    found = dict(commands(typer.main.get_command(app)))
    without = {
        words
        for words, command in found.items()
        if not any("--json" in one.opts for one in command.params)
    }
    assert without == WITHOUT.keys() and all(WITHOUT.values())
    assert len(found) > 30


@pytest.mark.parametrize("words", ["check", "doctor", "stats", "seeds list", "review list"])
def test_what_people_read_as_lines_is_a_list_of_lines(ask: Srft, words: str) -> None:
    lines = ask(*words.split()).out.splitlines()
    said = told(ask, *words.split())["said"]
    assert [line.rstrip() for line in said] == [line.rstrip() for line in lines]


def test_rows_are_rows_wherever_there_is_a_format(ask: Srft) -> None:
    asked = ("sql", "SELECT batch FROM trajectories ORDER BY ALL LIMIT 1")
    assert told(ask, *asked) == {"rows": [{"batch": "one"}]}
    assert {*told(ask, "critic", "history")} == {"rows"}
    assert told(ask, "ls", "checkpoints", code=3) == {"rows": []}


def test_what_was_made_is_told_by_asset(srft: Srft, filled: Home) -> None:
    (filled.warehouse / RULES / "two.parquet").unlink()
    found = told(srft, "apply", RULES)
    assert found["made"][RULES] == ["two"]
    assert found["kept"][RULES] == ["one"]
    assert found["failed"] == {} or not any(found["failed"].values())
    assert found["said"][-1] == "1 partition made, 5 in sync."


def test_a_failure_is_an_error_with_the_same_exit_code(srft: Srft, filled: Home) -> None:
    source(filled, "one").write_text("")
    (filled.warehouse / "trajectories" / "one.parquet").unlink()
    found = told(srft, "apply", RULES, code=1)
    assert "one" in found["failed"]["trajectories"]
    assert found["error"].startswith("3 partitions failed")
    assert told(srft, "delete", "batch", "none", code=2)["error"].startswith("no batch 'none'")
    assert "error" in told(srft, "sql", "SELECT nothing FROM steps", code=1)


def test_what_goes_and_stays_is_told_before_it_goes(srft: Srft, filled: Home) -> None:
    filled.inbox.rename(filled.root.parent / "sources")
    found = told(srft, "delete", "batch", "one", code=2)
    assert f"{RULES} one" in found["goes"]
    assert "its sources" in found["stays"]
    assert "--yes deletes batch one" in found["error"]
