"""What a bar shows beside itself."""

import io

import pytest
from rich.console import Console

from srft_assets.cli.console import Bars

NOTE = "30 from the ledger"


@pytest.mark.parametrize("width", [80, 120])
def test_a_note_has_room_beside_the_bar(width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    with Bars(console) as bars:
        bars.report("step_verdicts/default mini", 60, 60, NOTE)
    assert NOTE in console.file.getvalue()
