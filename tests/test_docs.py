"""README and docs: what they name is there."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from srft_assets.critic.spec import CriticSpec
from srft_assets.home import CHECKOUT
from srft_assets.tokens.arm import ArmSpec
from tools import messages_doc
from tools.settings_doc import PAGES as SETTINGS
from tools.settings_doc import with_tables

PACKAGE = CHECKOUT / "srft_assets"
PAGES = sorted(
    {*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")} - {CHECKOUT / "CHANGELOG.md"}
)
YOURS = {"srft_assets/defs/arms/qwen3/defs.yaml"}
"""Files that a page tells readers to make."""


def paths_in(page: Path) -> Iterator[str]:
    """Paths of this checkout, or of its package, that a page names; not those with placeholders."""
    tops = {path.name for path in CHECKOUT.iterdir()}
    rooms = {path.name for path in PACKAGE.iterdir()}
    for word in re.findall(r"`([\w./-]+)(?::\w+)*`", page.read_text(encoding="utf-8")):
        first = word.split("/")[0]
        if "/" in word and (first in tops or (first in rooms and word.endswith((".py", "/")))):
            yield word


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_exists(page: Path):
    named = set(paths_in(page)) - YOURS
    gone = [one for one in named if not ((CHECKOUT / one).exists() or (PACKAGE / one).exists())]
    assert gone == []


def test_twenty_questions_have_an_answer():
    page = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^\| (?:where|who|what|which) .*\? \| `[\w./]+` \|$", page, re.M)) >= 20
    assert len(set(paths_in(CHECKOUT / "docs" / "architecture.md"))) > 40


@pytest.mark.parametrize("name", SETTINGS)
def test_the_tables_of_settings_are_those_of_the_specs(name: str):
    page = (CHECKOUT / name).read_text(encoding="utf-8")
    assert with_tables(page, SETTINGS[name]) == page, "run: python -m tools.settings_doc"


def test_a_setting_that_no_table_shows_is_told():
    page = "<!-- settings of ArmSpec: runs -->\n<!-- end of settings -->\n"
    with pytest.raises(ValueError, match=r"in no table: .*ArmSpec\.where"):
        with_tables(page, [ArmSpec])


@pytest.mark.parametrize(("name", "spec"), [("critics", CriticSpec), ("arms", ArmSpec)])
def test_the_example_of_a_page_is_a_sound_spec(name: str, spec: object):
    page = (CHECKOUT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(type: .*?)```", page, re.DOTALL)
    stated = yaml.safe_load(block)["attributes"]
    TypeAdapter(spec).validate_python({"name": "example", **stated} if name == "arms" else stated)


def test_the_site_is_built_without_a_broken_link(tmp_path: Path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in ("index.html", "critics/index.html", "changelog/index.html"):
        assert (tmp_path / page).is_file()


def test_every_message_of_the_troubleshooting_page_is_one_of_ours():
    texts = {
        node.value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    page = (CHECKOUT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.M)
    assert len(messages) > 30
    assert [one for one in messages if not any(one in text for text in texts)] == []


def test_every_error_with_a_way_out_is_found_by_its_words():
    page = messages_doc.PAGE.read_text(encoding="utf-8")
    assert page == messages_doc.page(), "run: python -m tools.messages_doc"
    assert "| `there are no batches yet` | `srft ingest PATH, or srft demo` |\n" in page


def test_the_way_out_of_an_error_is_what_it_tells_to_do():
    texts = list(messages_doc.texts_of("raise UsageError(f'{a} is gone: srft apply {b}')"))
    assert texts == ["… is gone: srft apply …"]
