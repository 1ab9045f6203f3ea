"""Counting tokens, and cutting what is too long in the middle."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from srft_assets.critic.prompt.requests import Seen, requests_for
from srft_assets.critic.prompt.text import Cut, counter, counter_fingerprint, estimate, show
from srft_assets.errors import SrftError
from tests.critic.prompt_runs import PROMPT, real_run, run, spec, step


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """One token a byte; its file says to begin each text with a token and to truncate."""
    vocabulary = {char: number for number, char in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    made = Tokenizer(models.BPE({**vocabulary, "<s>": 256}, []))
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 256)]
    )
    made.enable_truncation(9)
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    path = tmp_path / "model/tokenizer.json"
    path.parent.mkdir()
    made.save(str(path))
    return path


def test_without_a_tokenizer_three_bytes_are_a_token():
    count = counter(None)
    assert [count(text) for text in ("", "abc", "abcd", "é" * 3)] == [0, 1, 2, 2]


def test_a_tokenizer_counts_by_its_file_or_its_folder(tokenizer):
    assert counter(str(tokenizer))("né" * 9) == 27
    assert counter(str(tokenizer.parent))("né") == 3


def test_the_fingerprint_follows_the_tokenizers_file(tokenizer):
    before = counter_fingerprint(str(tokenizer))
    assert counter_fingerprint(str(tokenizer.parent)) == before
    tokenizer.write_text(tokenizer.read_text().replace("BPE", "BPE "))
    assert counter_fingerprint(str(tokenizer)) != before
    assert counter_fingerprint("Qwen/Qwen3-8B") == "hub:Qwen/Qwen3-8B"
    assert counter_fingerprint(None) == "estimate: 3 bytes"


def test_a_missing_or_broken_tokenizer_is_told(tmp_path):
    with pytest.raises(SrftError, match=r"no tokenizer at .*none\.json"):
        counter(str(tmp_path / "none.json"))
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{}")
    with pytest.raises(SrftError, match=r"is no tokenizer\.json"):
        counter(str(broken))


def test_a_text_within_its_budget_is_shown_whole():
    assert show("a" * 300, 100, estimate, "task").cut is None


def test_a_longer_one_keeps_its_head_and_its_tail():
    shown = show("a" * 600 + "b" * 600, 100, estimate, "observation", 7)
    assert shown.cut == Cut(7, "observation", 400, 100)
    assert shown.text == "a" * 150 + "\n[… 300 tokens cut …]\n" + "b" * 150


@pytest.mark.parametrize("text", ["日" * 999 + "x" * 999, "x" * 999 + "日" * 999])
def test_uneven_texts_use_most_of_the_budget(text):
    shown = show(text, 100, estimate, "thought")
    assert shown.cut is not None
    assert 90 <= shown.cut.tokens_after <= 100


def test_every_cut_of_a_run_is_recorded():
    long = "x" * 3000
    trajectory = run(step(), step(long, long, long), task=long)
    asked = requests_for(
        spec(
            sees={"gold_patch": True, "failed_tests": True},
            context={"tokens": 100_000, "observation_tokens": 300, "task_tokens": 600},
        ),
        PROMPT,
        trajectory,
        Seen("unresolved", (long,), long),
    )
    assert [(cut.step_index, cut.field, cut.tokens_after) for cut in asked.cuts] == [
        (None, "task", 600),
        (None, "failed_tests", 600),
        (None, "gold_patch", 600),
        (1, "thought", 300),
        (1, "action", 300),
        (1, "observation", 300),
    ]
    assert {cut.tokens_before for cut in asked.cuts} == {1000}


PIECE = st.sampled_from(["a", "word ", "\n", "é", "\x1b[0m", "<|im_end|>", "日本語", "\u200b"])


@given(st.lists(PIECE, max_size=30).map("".join), st.integers(1, 200), st.integers(1, 40))
def test_what_is_kept_is_within_the_budget(text, times, budget):
    long = text * times
    shown = show(long, budget, estimate, "thought")
    if shown.cut is None:
        assert shown.tokens == estimate(shown.text) <= budget
        return
    kept = shown.text.partition(f"\n[… {shown.cut.tokens_before - shown.cut.tokens_after} ")
    assert kept[1]
    assert shown.cut.tokens_after <= budget < shown.cut.tokens_before
    assert abs(shown.tokens - estimate(shown.text)) <= 2


def test_10_mb_are_not_tokenized_whole(tokenizer):
    exact, read = counter(str(tokenizer)), []

    def count(text: str) -> int:
        read.append(len(text))
        return exact(text)

    shown = show("word " * 2_000_000, 1000, count, "observation")
    assert 0 < sum(read) < 100_000
    assert shown.cut is not None
    assert shown.cut.tokens_before == pytest.approx(10_000_000, rel=0.01)
    assert 900 <= shown.cut.tokens_after <= 1000


@pytest.mark.parametrize("reading", ["whole", "windows", "steps"])
def test_the_tokens_of_real_requests_are_counted_closely(reading, shared, tokenizer):
    path = shared / "trajectories/mini-swe-agent-v1/trajs/django__django-11099.traj.json"
    context = {"tokens": 200_000, "tokenizer": str(tokenizer)}
    asked = requests_for(
        spec(reading=reading, context=context), PROMPT, real_run(path), Seen("unresolved")
    )
    count = counter(str(tokenizer))
    held = sum(count(m["content"]) for request in asked.requests for m in request.body["messages"])
    assert asked.prompt_tokens == pytest.approx(held, rel=0.01)
