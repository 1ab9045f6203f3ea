"""Model families in small: real control tokens, flagged as in their files, real stops and settings
of generation, real attention, and random weights of two layers.

Of Qwen2.5-Coder there are the base, whose files know no end of a turn, and the instruct model.
"""

import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.tokens.conftest import TEXTS
from tests.tokens.templates import CHATML, MISTRAL

SPEC = find_spec("trl")
TEMPLATES = Path(SPEC.origin or "").parent / "chat_templates" if SPEC else Path("absent")

DEEPSEEK_V3_1 = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role == 'system' %}{{ message.content }}"
    "{% elif message.role == 'user' %}{{ '<｜User｜>' + message.content }}"
    "{% else %}{{ '<｜Assistant｜></think>' + message.content.split('</think>')[-1] }}"
    "{{ '<｜end▁of▁sentence｜>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜></think>' }}{% endif %}"
)

QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN_UNFLAGGED = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
QWEN_UNFLAGGED += ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|repo_name|>")
MOE = {"num_experts_per_tok": 2, "moe_intermediate_size": 16, "n_routed_experts": 4}
GLM = {"n_group": 1, "topk_group": 1, "first_k_dense_replace": 1}
MLA = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8}
MAMBA = {"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_n_groups": 1}
MAMBA |= {"mamba_d_state": 16, "mamba_chunk_size": 16}
WINDOW = {"head_dim": 8, "sliding_window": 16}


@dataclass(frozen=True)
class Family:
    """What tells one family from another.

    Attributes:
        kind: transformers' `model_type`.
        special: control tokens that the tokenizer's file flags; `unflagged`: the others.
        stops: what `generation_config.json` has as `eos_token_id`.
        ends: the token that a turn ends with; of GLM that which opens the user's next message.
    """

    kind: str
    template: str
    special: tuple[str, ...]
    eos: str
    stops: tuple[str, ...]
    ends: str
    bos: str | None = None
    unflagged: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    generation: dict[str, Any] = field(default_factory=dict)


FAMILIES = {
    "qwen2_5_coder": Family(
        "qwen2", "qwen2_5", QWEN, QWEN[0], QWEN[:1], QWEN[2], unflagged=QWEN_UNFLAGGED,
        config={"tie_word_embeddings": True},
    ),
    "qwen2_5_coder_instruct": Family(
        "qwen2", "qwen2_5", QWEN, QWEN[2], (QWEN[2], QWEN[0]), QWEN[2], unflagged=QWEN_UNFLAGGED,
        generation={"do_sample": True, "repetition_penalty": 1.05, "top_p": 0.8, "top_k": 20},
    ),
    "qwen3": Family(
        "qwen3", "qwen3", QWEN, QWEN[2], (QWEN[2], QWEN[0]), QWEN[2],
        unflagged=(*QWEN_UNFLAGGED, "<think>", "</think>"), config={"head_dim": 8},
        generation={"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95},
    ),
    "llama3_1": Family(
        "llama", "llama3_1",
        ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
         "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"),
        "<|eot_id|>", ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"), "<|eot_id|>",
        bos="<|begin_of_text|>",
        # As several published models have it: transformers reads this and does not write it.
        generation={"temperature": 0.6, "top_p": 0.9},
    ),
    "gemma2": Family(
        "gemma2", "gemma", ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        "<eos>", ("<eos>",), "<end_of_turn>", bos="<bos>", config=WINDOW,
    ),
    "gemma3": Family(
        "gemma3_text", "gemma3", ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        "<eos>", ("<eos>", "<end_of_turn>"), "<end_of_turn>", bos="<bos>", config=WINDOW,
        generation={"do_sample": True, "top_k": 64, "top_p": 0.95},
    ),
    "mistral_tekken": Family(
        "mistral", MISTRAL, ("<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]"),
        "</s>", ("</s>",), "</s>", bos="<s>",
    ),
    "gpt_oss": Family(
        "gpt_oss", "gptoss",
        ("<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>",
         "<|start|>", "<|end|>", "<|message|>", "<|call|>"),
        "<|return|>", ("<|return|>", "<|endoftext|>", "<|call|>"), "<|return|>",
        bos="<|startoftext|>",
        config={**WINDOW, "num_local_experts": 4, "num_experts_per_tok": 2},
        generation={"do_sample": True},
    ),
    "glm4_5": Family(
        "glm4_moe", "glm4moe",
        ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>",
         "<|observation|>"),
        "<|endoftext|>", ("<|endoftext|>", "<|user|>", "<|observation|>"), "<|user|>",
        unflagged=("<think>", "</think>", "<tool_call>", "</tool_call>", "<arg_key>"),
        config={"head_dim": 8, **MOE, **GLM},
    ),
    "falcon_h1": Family(
        "falcon_h1", CHATML, ("<|end_of_text|>", "<|im_start|>", "<|im_end|>"),
        "<|end_of_text|>", ("<|end_of_text|>",), "<|im_end|>", config=MAMBA,
    ),
    "deepseek_v3_1": Family(
        "deepseek_v3", DEEPSEEK_V3_1, ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
        "<｜end▁of▁sentence｜>", ("<｜end▁of▁sentence｜>",), "<｜end▁of▁sentence｜>",
        bos="<｜begin▁of▁sentence｜>",
        unflagged=("<｜User｜>", "<｜Assistant｜>", "<think>", "</think>", "<｜fim▁hole｜>"),
        config={**MOE, **GLM, **MLA, "v_head_dim": 8, "num_key_value_heads": 4},
        generation={"do_sample": True, "temperature": 0.6, "top_p": 0.95},
    ),
}  # fmt: skip
"""Settings of generation: those of the families' published files."""


def write_tokenizer(family: Family, folder: Path) -> Any:
    """A byte-level tokenizer of a few hundred tokens with the family's own control tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(TEXTS, trainer)
    backend.add_special_tokens(list(family.special))
    backend.add_tokens([AddedToken(word, normalized=False) for word in family.unflagged])
    named = TEMPLATES / f"{family.template}.jinja"
    template = family.template if "{" in family.template else named.read_text()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=family.bos,
        eos_token=family.eos,
        pad_token=family.eos,
        chat_template=template,
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def write_model(name: str, folder: Path, dtype: str = "bfloat16") -> None:
    """The family's tokenizer, and a model of random weights for it."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    family = FAMILIES[name]
    tokenizer = write_tokenizer(family, folder)
    small = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "bos_token_id": None,
        "pad_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
    }
    torch.manual_seed(0)
    config = CONFIG_MAPPING[family.kind](**{**small, **family.config})
    AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype)).save_pretrained(folder)
    stops = tokenizer.convert_tokens_to_ids(list(family.stops))
    stated = {"eos_token_id": stops if len(stops) > 1 else stops[0], **family.generation}
    (folder / "generation_config.json").write_text(json.dumps(stated))
