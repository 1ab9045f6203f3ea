"""What axolotl's own code makes of an export with the YAML of its card."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from srft_assets.exports.axolotl_labels import AxolotlReader
from srft_assets.exports.formats import axolotl as chats
from srft_assets.home import Home
from srft_assets.tokens.token_labels import MaskedRow
from srft_assets.tokens.tokenizer import load_tokenizer
from tests.exports.axolotl import RELEASES, read, settings
from tests.exports.chats import reason_of
from tests.exports.conftest import Platform, text_run, tool_run
from tests.exports.test_token_formats import records
from tests.tokens.templates import CHATML, SOUND

FORMS = ("axolotl-messages", "axolotl-spans")
ODD = ("[[dummy", "a[b[0]]", "zz", "\nlook", "look\n", " <b> ", "größe 🙂", "x" * 300)
"""Answers that share characters with what axolotl writes in their place, or melt into a border."""

LAST_TURN = CHATML.replace(
    "message['content'] + '<|im_end|>'",
    "('<think>\n\n</think>\n\n' if loop.last and message['role'] == 'assistant' else '')"
    " + message['content'] + '<|im_end|>'",
)
"""Writes an empty thinking into the last turn only, as Qwen3's does."""


def verified(platform: Platform) -> list[dict[str, Any]]:
    """All masked rows with their labels."""
    rows = map(MaskedRow.from_row, platform.rows("one"))
    return [{"input_ids": r.input_ids.tolist(), "labels": r.labels().tolist()} for r in rows]


def without_end_of_turn(folder: Path) -> None:
    """Gemma as it is shipped, ChatML over a base: a turn's end is not the end of the text."""
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"eos_token": "<|endoftext|>"}))


def foreseen(_: object, messages: Any, tools: Any, reader: AxolotlReader) -> list[list[int]]:
    """The labels of both releases. Raises UnfitError where axolotl stops or finds no turn."""
    offered = tools and [chats._read(tool, "parameters") for tool in tools]
    chat = reader.read([chats._turn(message) for message in messages], offered)
    lengths = chats._lengths(messages, reader.tokenizer)
    return [labels.tolist() for labels in chat.labels(lengths)]


@pytest.fixture
def platforms(platform_with: Any, tmp_path: Path) -> Iterator[dict[str, Platform]]:
    """One for each sound template: runs with and without calls, and every odd answer."""
    made = {}
    templates = {**SOUND, "last-turn": LAST_TURN, "base": CHATML}
    runs = [tool_run("a"), text_run("b"), text_run("c", *ODD)]
    runs += [text_run(f"odd-{number}", text, "b", text) for number, text in enumerate(ODD)]
    for name, template in templates.items():
        one = platform_with(template)
        folder = tmp_path / name / "tokenizer"
        shutil.copytree(one.tokenizer, folder)
        if name == "base":
            without_end_of_turn(folder)
        made[name] = replace(one, home=Home(tmp_path / name / "home"), tokenizer=folder)
        made[name].add("one", *runs)
    yield made


def test_axolotl_makes_the_verified_labels_of_every_row_exported(platforms, tmp_path):
    outs = {}
    for name, platform in platforms.items():
        for form in (*FORMS, "axolotl-tokens"):
            out = tmp_path / name / form
            if platform.export(form, out).counts.total["rows"]:
                outs[out] = platform
    assert {out.parent.name for out in outs} == set(platforms)
    assert len(outs) > 2 * len(SOUND)
    for release in RELEASES:
        found = read(release, *[(out, platform.tokenizer) for out, platform in outs.items()])
        for (out, platform), rows in zip(outs.items(), found, strict=True):
            assert rows
            for row in rows:
                assert row in verified(platform), (release, out)


def test_the_labels_foreseen_are_those_that_axolotl_makes(platforms, tmp_path, monkeypatch):
    """Also where they are not the verified ones: nothing is held back here."""
    monkeypatch.setattr(chats, "_check_labels", foreseen)
    asked = []
    for name, platform in platforms.items():
        for form in FORMS:
            platform.export(form, tmp_path / name / form)
            asked.append((tmp_path / name / form, platform.tokenizer))
    apart = 0
    for number, release in enumerate(RELEASES):
        for (out, folder), rows in zip(asked, read(release, *asked), strict=True):
            tokenizer = load_tokenizer(folder)
            for record, row in zip(records(out), rows, strict=True):
                told = foreseen(None, record["messages"], record["tools"], AxolotlReader(tokenizer))
                assert told[number] == row["labels"], (release, out, record["messages"])
                apart += told[0] != told[1]
    assert apart


def test_turns_that_axolotl_finds_elsewhere_are_refused(platform_with, tmp_path):
    platform = platform_with(LAST_TURN)
    for form in FORMS:
        reason = reason_of(platform, form, tmp_path / form, text_run("a"))
        assert reason.startswith("axolotl finds the turns of it elsewhere")
        assert "`--format axolotl-tokens` has exactly those" in reason


def test_the_card_states_the_token_that_ends_a_turn_where_it_is_not_the_eos(platforms, tmp_path):
    for name in ("chatml", "base"):
        for form in FORMS:
            platforms[name].export(form, tmp_path / name / form)
            stated = settings(tmp_path / name / form).get("eot_tokens")
            assert stated == {"chatml": None, "base": ["<|im_end|>"]}[name]
