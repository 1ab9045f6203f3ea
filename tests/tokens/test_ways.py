"""Which way turns are found, where a prompt depends on the place, and what ends a turn."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from srft_assets.tokens.calls import with_ids_for
from srft_assets.tokens.mask import mask_run
from srft_assets.tokens.render import Chat, Rendering, by_prefixes, render
from srft_assets.tokens.template import NATIVE, for_template, template_of
from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.tokens.tokenizer import load_tokenizer
from srft_assets.trajectories.model import Message
from tests.tokens.conftest import run_of
from tests.tokens.templates import CHATML, DEEPSEEK_R1, OWN, OWN_BY_INDEX, OWN_TRIMMED, SOUND
from tests.tokens.tool_templates import DEEPSEEK_TOOLS, LLAMA, MISTRAL_TOOLS, TOOLS

CHAT: list[Message] = [
    {"role": "user", "content": "add(1, 2) gives -1"},
    {"role": "assistant", "content": "I look."},
    {"role": "user", "content": "return a - b"},
    {"role": "assistant", "content": "I edit."},
]
CALLS = [{"id": "call_1", "type": "function", "function": {"name": "ls", "arguments": "{}"}}]
CALLING: list[Message] = [
    CHAT[0],
    {"role": "assistant", "content": None, "tool_calls": CALLS},
    {"role": "tool", "tool_call_id": "call_1", "content": "add.py"},
    {"role": "assistant", "content": "I edit."},
]


def turns(rendering: Rendering) -> list[str]:
    return [rendering.text[turn.start : turn.end] for turn in rendering.turns]


@pytest.mark.parametrize(
    ("template", "path"), [(CHATML, "traced"), (OWN, "traced"), (OWN_BY_INDEX, "prefixes")]
)
def test_a_template_that_cannot_be_traced_is_compared_prefix_by_prefix(
    template: str, path: str, tokenizer_with: Callable
) -> None:
    rendering = render(run_of(CHAT), tokenizer_with(template))
    assert rendering.path == path
    assert turns(rendering) == ["I look.<|im_end|>", "I edit.<|im_end|>"]


def test_a_template_that_reads_its_own_output_asks_as_it_asks(tokenizer_with: Callable) -> None:
    template = OWN_TRIMMED.replace("assistant:", "assistant")
    rendering = render(run_of(CHAT), tokenizer_with(template))
    assert rendering.path == "prefixes"
    assert turns(rendering) == ["\nI look.<|im_end|>", "\nI edit.<|im_end|>"]
    with pytest.raises(RunRefusedError, match="does not open step 0"):
        render(run_of(CHAT), tokenizer_with(OWN_TRIMMED))


def test_neither_traced_nor_stable_is_refused(tokenizer_with: Callable) -> None:
    counting = "{{ messages | length }}\n" + OWN_BY_INDEX
    with pytest.raises(RunRefusedError, match="otherwise when more follows, and cannot be traced"):
        render(run_of(CHAT), tokenizer_with(counting))


@pytest.mark.parametrize(
    ("name", "stable"),
    [
        ("chatml", True),
        ("qwen", True),
        ("qwen-thinking", False),
        ("llama", True),
        ("mistral-tools", False),
        ("deepseek-tools", True),
        ("deepseek-r1", True),
        ("gemma", True),
        ("own-by-index", True),
    ],
)
def test_which_templates_are_prefix_stable(
    name: str, stable: bool, tokenizer_with: Callable
) -> None:
    source = {**SOUND, **TOOLS}[name]
    tokenizer = tokenizer_with(source)
    bash = {"type": "function", "function": {"name": "bash", "description": "Runs."}}
    run = run_of(CHAT, [bash] if name in TOOLS else None)
    messages = for_template(run.messages, NATIVE[0], source, run.tools)
    text = render(run, tokenizer).text
    chat = Chat(run, template_of(tokenizer, source), messages, text, ())
    with nullcontext() if stable else pytest.raises(RunRefusedError):
        by_prefixes(chat)


def test_a_prompt_may_depend_on_what_was_said(tokenizer_with: Callable) -> None:
    rendering = render(run_of(CALLING), tokenizer_with(DEEPSEEK_TOOLS))
    calls, answer = turns(rendering)
    assert calls.startswith("<｜tool▁calls▁begin｜>functionls")
    assert answer == "I edit.<｜end▁of▁sentence｜>"
    before = rendering.text[: rendering.turns[1].start]
    assert before.endswith("add.py<｜tool▁outputs▁end｜>")


def test_a_prompt_that_opens_the_thinking_leaves_turns_without_it_whole(
    tokenizer_with: Callable,
) -> None:
    tokenizer = tokenizer_with(DEEPSEEK_R1)
    end = "<｜end▁of▁sentence｜>"
    assert turns(render(run_of(CHAT), tokenizer)) == [f"I look.{end}", f"I edit.{end}"]
    kept = DEEPSEEK_R1.replace("content.split('</think>')[-1]", "content")
    thinking = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nI edit."}
    chat = [*CHAT[:3], thinking]
    assert turns(render(run_of(chat), tokenizer_with(kept)))[1] == f"hm\n</think>\n\nI edit.{end}"
    dropped = render(run_of(chat), tokenizer)
    assert dropped.thinking_dropped
    assert turns(dropped)[1] == f"\n\nI edit.{end}"


def test_a_special_token_that_ends_no_turn_does_not_end_one(tokenizer_with: Callable) -> None:
    open_end = DEEPSEEK_TOOLS.replace("{{- '<｜tool▁calls▁end｜>' }}", "").replace(
        "{{- '<｜end▁of▁sentence｜>' }}",
        "{% if message.content is not none %}<｜end▁of▁sentence｜>{% endif %}",
    )
    with pytest.raises(RunRefusedError) as caught:
        render(run_of(CALLING), tokenizer_with(open_end))
    assert "ends with <｜tool▁call▁end｜>, which does not end a turn of this model" in str(
        caught.value
    )


def test_what_the_models_files_call_an_end_is_one(tokenizer_with: Callable, tmp_path: Path) -> None:
    template = CHATML.replace(
        "+ '<|im_end|>' + '\n'", "+ ('<|eot_id|>' if 'ls' in message.content else '<|im_end|>')"
    )
    chat = [CHAT[0], {"role": "assistant", "content": "ls"}]
    tokenizer_with(template).hf.save_pretrained(tmp_path)
    with pytest.raises(RunRefusedError, match=r"<\|eot_id\|>, which does not end a turn"):
        render(run_of(chat), load_tokenizer(tmp_path))
    stop = load_tokenizer(tmp_path).special_ids["<|eot_id|>"]
    (tmp_path / "generation_config.json").write_text(f'{{"eos_token_id": [1, {stop}]}}')
    assert turns(render(run_of(chat), load_tokenizer(tmp_path))) == ["ls<|eot_id|>"]


def test_the_date_is_always_the_same(tokenizer_with: Callable) -> None:
    assert "Today Date: 26 Jul 2024" in render(run_of(CHAT), tokenizer_with(LLAMA)).text


def test_ids_of_tool_calls_have_nine_characters_where_a_template_wants_them(
    tokenizer_with: Callable,
) -> None:
    text = render(run_of(CALLING), tokenizer_with(MISTRAL_TOOLS)).text
    (own,) = {
        call["id"] for m in with_ids_for(MISTRAL_TOOLS, CALLING) for call in m.get("tool_calls", [])
    }
    assert len(own) == 9
    assert text.count(own) == 2
    assert "call_1" not in text


def test_ids_of_nine_characters_stay_and_missing_ones_are_given_in_order() -> None:
    calls = [{"id": "abcDEF123"}, {"id": "call_1"}, {}]
    results = [{"role": "tool", "content": "", "tool_call_id": "abcDEF123"}]
    results += [{"role": "tool", "content": ""}, {"role": "tool", "content": ""}]
    asked, *answered = with_ids_for(
        MISTRAL_TOOLS, [{"role": "assistant", "tool_calls": calls}, *results]
    )
    ids = [call["id"] for call in asked["tool_calls"]]
    assert ids[0] == "abcDEF123"
    assert len(set(ids)) == 3
    assert [message["tool_call_id"] for message in answered] == ids


def test_roles_that_do_not_alternate_are_refused_as_the_template_says(
    tokenizer_with: Callable,
) -> None:
    with pytest.raises(RunRefusedError, match="conversation roles must alternate"):
        render(run_of([CHAT[0], CHAT[0], CHAT[1]]), tokenizer_with(MISTRAL_TOOLS))


def test_words_that_melt_into_the_prompt_are_refused(tokenizer_with: Callable) -> None:
    melting = CHATML.replace("'\n' + message['content']", "' ' + message['content']")
    tokenizer = tokenizer_with(melting.replace("assistant\n' }}{% endif", "assistant ' }}{% endif"))
    run = run_of([CHAT[0], {"role": "assistant", "content": "tests fail"}])
    with pytest.raises(RunRefusedError, match="'tests', the first characters of step 0, melt into"):
        mask_run(run, {0: True}, tokenizer)
    assert mask_run(run, {0: False}, tokenizer).n_trained == 0
