"""The card says what is in an export and where it comes from, whatever the runs say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from srft_assets.critic.verdict import CRITIC_PROMPTS, STEP_VERDICTS
from srft_assets.errors import SrftError, UsageError
from srft_assets.exports.card import code, fenced, table
from srft_assets.exports.facts import check_sync
from srft_assets.exports.formats import FORMATS
from tests.exports.conftest import Platform, text_run, tool_run
from tests.exports.test_place import FORMS

HOSTILE = "x`| <script>\n---\nlicense: mit\n\x1b[31m‮ ```\n# Title"


def read(folder: Path) -> tuple[dict[str, Any], str]:
    """Front matter and text."""
    _, front, text = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), text


@pytest.mark.parametrize("form", FORMS)
def test_the_front_matter_is_what_the_hub_reads(platform, tmp_path, form):
    from huggingface_hub import DatasetCard

    platform.export(form, tmp_path / "set", license="cc-by-4.0")
    card = DatasetCard.load(tmp_path / "set" / "README.md").data.to_dict()
    assert card["license"] == "cc-by-4.0"
    assert card["size_categories"] == ["n<1K"]
    assert "srft" in card["tags"]
    ((split,),) = [config["data_files"] for config in card["configs"]]
    assert list((tmp_path / "set").glob(split["path"]))


@pytest.mark.parametrize("form", FORMS)
def test_datasets_loads_every_format_by_its_folder(platform, tmp_path, form):
    from datasets import load_dataset

    done = platform.export(form, tmp_path / "set")
    rows = load_dataset(str(tmp_path / "set"), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(rows) == sum(one.rows for one in done.files) > 0


def test_a_report_goes_along_linked_and_without_secrets(platform, tmp_path):
    from srft_assets.cli.export import report_of

    file = tmp_path / "mine.html"
    file.write_text("<!doctype html><title>srft report</title>\n<p>by ada@lovelace.org\n")
    with pytest.raises(SrftError, match=r"report\.html line 2"):
        platform.export("trl", tmp_path / "set", report=report_of(file))
    platform.export("trl", tmp_path / "set", report=report_of(file), redact=True)
    assert "(report.html)" in read(tmp_path / "set")[1]
    assert "ada@" not in (tmp_path / "set" / "report.html").read_text()
    platform.export("trl", tmp_path / "set", report=report_of(file), allowed=["email"])
    assert (tmp_path / "set" / "report.html").read_text() == file.read_text()
    platform.export("trl", tmp_path / "set")
    assert not (tmp_path / "set" / "report.html").exists()


@pytest.mark.parametrize("content", [None, b"<title>other</title>", b"\xff\xfe"])
def test_what_is_no_report_is_refused_by_name(tmp_path, content):
    from srft_assets.cli.export import report_of

    file = tmp_path / "mine.html"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=r"mine\.html"):
        report_of(file)


def test_no_licence_is_stated_for_the_user(platform, tmp_path):
    platform.export("trl", tmp_path / "set")
    front, text = read(tmp_path / "set")
    assert front["license"] == "unknown"
    assert "Stated: none." in text and "Whose licence?" in text


def test_counts_masks_critic_and_provenance(platform, tmp_path):
    done = platform.export("trl", tmp_path / "set")
    _, text = read(tmp_path / "set")
    total = done.counts.total
    assert f"3 runs, 3 rows, {total['tokens']} tokens" in text
    assert "| `resolved` | 1 | 1 | 3 | 3 |" in text
    assert "mask:\n- mistake" in text
    assert "Critic `rules`; version of prompt, settings and code: `0badcafe`." in text
    for batch in ("one", "two"):
        stamp = platform.warehouse.stamp("masked_tokens/srft", batch)
        assert f"| `{batch}` | `{stamp.data_version}` | `{stamp.fingerprint}` |" in text
    assert f"tokenizer `{stamp.recipe.config['tokenizer']}`" in text
    assert str(tmp_path) not in (tmp_path / "set" / "README.md").read_text()
    assert str(tmp_path) not in (tmp_path / "set" / "srft_export.json").read_text()
    assert FORMATS["trl"].loading.replace("{longest}", f"{done.counts.longest}") in text


def prompt(version: str, leak: bool) -> pl.DataFrame:
    row = {"version": version, "model": "judge-32b", "sees_gold_patch": leak}
    return pl.DataFrame([row], schema=CRITIC_PROMPTS)


@pytest.mark.parametrize(
    ("version", "leak", "told"),
    [
        ("0badcafe", True, "**Leak:** it saw the reference solution"),
        ("0badcafe", False, None),
        ("ffffffff", True, "**Leak:** it saw the reference solution"),
        ("ffffffff", False, "is not known of all its versions"),
    ],
)
def test_a_critic_that_saw_the_gold_patch_is_told(platform, tmp_path, version, leak, told):
    platform.put("critic_prompt/rules", prompt(version, leak), "all")
    platform.export("trl", tmp_path / "set")
    _, text = read(tmp_path / "set")
    assert "Critic `rules`, which asked `judge-32b`" in text
    assert ("gold patch" in text) == (told is not None)
    assert told is None or told in text


def test_an_earlier_prompt_that_made_the_verdicts_is_found(platform, tmp_path):
    platform.put("critic_prompt/rules", prompt("ffffffff", False), "all")
    platform.put("critic_versions/rules/all", prompt("0badcafe", True), "f00d")
    platform.export("trl", tmp_path / "set")
    assert "**Leak:**" in read(tmp_path / "set")[1]


def stale(platform: Platform) -> None:
    """Verdicts of batch `one` that are not those of the masks."""
    verdicts = platform.warehouse.read("step_verdicts/rules", "one")
    other = verdicts.with_columns(label=pl.lit("good")).select(STEP_VERDICTS.names())
    platform.put("step_verdicts/rules", other, "one")


def test_what_is_stale_is_not_exported_unless_asked_for_and_then_told(platform, tmp_path):
    stale(platform)
    with pytest.raises(SrftError) as caught:
        platform.export("trl", tmp_path / "set")
    assert str(caught.value) == (
        "masked_tokens/srft is not in sync (one is stale: input step_verdicts/rules/one changed): "
        "srft apply masked_tokens/srft, or --stale-ok"
    )
    assert not (tmp_path / "set").exists()
    platform.export("trl", tmp_path / "set", stale_ok=True)
    _, text = read(tmp_path / "set")
    assert "**Not in sync:**" in text
    assert "`one` (`input step_verdicts/rules/one changed`)" in text
    assert "Its verdicts on `one` were made anew since." in text


def test_what_was_never_masked_is_not_passed_over(platform, tmp_path):
    platform.warehouse.path("masked_tokens/srft", "two").unlink()
    with pytest.raises(SrftError, match=r"two is missing\): srft apply masked_tokens/srft"):
        platform.export("trl", tmp_path / "set")
    done = platform.export("trl", tmp_path / "set", stale_ok=True)
    assert done.counts.total["runs"] == 2
    assert "Batches that were never masked: `two`." in read(tmp_path / "set")[1]
    with pytest.raises(SrftError, match=r"was never made for two: srft apply"):
        platform.export("trl", tmp_path / "set", "two", stale_ok=True)


def test_an_unknown_arm_is_told_with_those_there_are(platform, tmp_path):
    with pytest.raises(UsageError, match="no arm 'other'; there are: srft"):
        check_sync(platform.stages, platform.home, "other", ["one"], stale_ok=False)


def test_hostile_runs_stay_data(platform, tmp_path):
    run = replace(text_run("a", HOSTILE, "b", "c"), trajectory_id=f"../{HOSTILE}", model=HOSTILE)
    platform.add("one", run, tool_run("b", tools=[{"type": HOSTILE, "function": {"odd": 1}}]))
    for form in FORMS:
        platform.export(form, tmp_path / "sets" / form, license="other")
        front, text = read(tmp_path / "sets" / form)
        assert front["license"] == "other"
        assert "\x1b" not in text and "‮" not in text
        assert "\n# Title" not in text
        assert text.count("\n# ") == 1
        names = {path.name for path in (tmp_path / "sets" / form).rglob("*") if path.is_file()}
        known = {"README.md", "srft_export.json", "refused.jsonl"}
        assert all(name.startswith("train-") for name in names - known)
    assert sorted(path.name for path in (tmp_path / "sets").iterdir()) == sorted(FORMS)


@given(st.text() | st.text(alphabet="`| \n~"))
@example(HOSTILE)
def test_text_of_others_cannot_leave_its_code(text):
    inline = code(text)
    assert "\n" not in inline
    ticks = len(inline) - len(inline.lstrip("`"))
    assert "`" * ticks not in inline[ticks:-ticks]
    block = fenced(text, "yaml").splitlines()
    assert block[0].endswith("`yaml") and not any(
        line.startswith(block[-1]) for line in block[1:-1]
    )


def test_numbers_stand_to_the_right():
    assert table(["a", "b"], [["x", 1000]]) == "| a | b |\n| --- | ---: |\n| x | 1,000 |"
