"""The tokenizer of the tiny base model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.base_model.tokenizer import END, START, train_tokenizer

CODE = "def total(price, tax):\n    return price + tax\n"
SED = "sed -i 's|return price.*|return price - tax|' shop.py"


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([CODE, SED, "user", "assistant"] * 20, 420)


@given(st.text())
def test_any_text_comes_back(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_line_break_is_a_border_so_that_prompt_and_answer_are_tokenized_apart(
    tokenizer, before, after
):
    whole = tokenizer.encode(f"{before}\n{after}", add_special_tokens=False)
    head = tokenizer.encode(f"{before}\n", add_special_tokens=False)
    assert whole == head + tokenizer.encode(after, add_special_tokens=False)


def test_code_and_command_share_tokens(tokenizer):
    code, command = tokenizer.tokenize(CODE), tokenizer.tokenize(SED)
    for word in ("return", "Ġprice", "Ġtax"):
        assert word in code
        assert word in command


def test_the_chat_template_marks_what_the_assistant_says(tokenizer):
    chat = [{"role": "user", "content": "go"}, {"role": "assistant", "content": "return tax"}]
    out = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
    said = [
        token for token, mask in zip(out["input_ids"], out["assistant_masks"], strict=True) if mask
    ]
    assert tokenizer.decode(said) == f"return tax{END}"


def test_the_generation_prompt_opens_an_assistant_turn(tokenizer):
    chat = [{"role": "user", "content": "go"}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == f"{START}user\ngo{END}\n{START}assistant\n"


def test_turns_end_with_the_end_token(tokenizer):
    assert tokenizer.eos_token == END
    assert tokenizer.pad_token != END
