"""`docs/cli.md` says what the command line says of itself."""

import pytest

from srft_assets.home import CHECKOUT
from tools.cli_doc import cli_markdown


def test_the_page_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    page = (CHECKOUT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == cli_markdown(), "write it anew: python -m tools.cli_doc"
