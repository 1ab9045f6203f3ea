"""A byte-level BPE tokenizer, trained on the lab's own texts."""

from collections.abc import Iterable
from typing import Any

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
SPECIAL = (PAD, START, END)

PIECES = r"</?[a-z]+>|\.py\b| ?[A-Za-z_]+| ?[0-9]{1,2}| ?[^\sA-Za-z0-9_]+|\n| +(?! )| +|\s"
"""Pieces that no merge crosses: a tag; the end of a file's name; a word, up to two digits or a run
of signs, each with the space before it; a line break; an indent. So the words of a file and of a
command that repeats them become the same tokens, which copying needs, and no token spans the end
of a chat header."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}"
    "{{ '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""ChatML; the `generation` block marks what an assistant turn says, its end token included."""


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A `PreTrainedTokenizerFast` of at most `vocabulary` tokens that encodes any text.

    The 256 bytes and the special tokens are always in it; `vocabulary` below that is ignored.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
