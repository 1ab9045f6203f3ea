"""How a trained model is written: with the token that ends its turns, in the base's own type.

It is rehearsed on the untrained model, so that what cannot be saved is known before the first step.
"""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from srft_assets.errors import SrftError

UNSAVED = (AttributeError, LookupError, NotImplementedError, TypeError, ValueError)
"""What transformers and peft raise for a model or a configuration that they cannot write."""


def save_model(
    model: Any,
    tokenizer: Any,
    folder: Path,
    ends: Sequence[int] = (),
    dtype: Any = None,
    weights: Any = None,
) -> str:
    """Write weights (safetensors), tokenizer and `generation_config.json`.

    Args:
        ends: ids of the tokens that end the turns trained on, the most frequent first.
        dtype: type of floating-point weights; None keeps theirs.
        weights: stand in the place of the model's own where given.

    Returns the SHA-256 over the weight files, in name order. An adapter has a generation
    configuration too: that of its base does not know where its turns end.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    stop_at(ends, base, tokenizer)
    other = base is model and dtype not in (None, model.dtype)
    if other:
        weights = _cast(model.state_dict() if weights is None else weights, dtype)
    model.save_pretrained(folder, state_dict=weights)
    base.generation_config.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    tokenizer.save_pretrained(folder)
    if other:
        _state_type(folder / "config.json", dtype)
    sha = weights_digest(folder)
    assert sha is not None
    return sha


def weights_digest(folder: Path) -> str | None:
    """The SHA-256 over the weight files (safetensors), in name order; None where there is none."""
    sha, paths = hashlib.sha256(), sorted(folder.glob("*.safetensors"))
    for path in paths:
        with path.open("rb") as file:
            sha.update(hashlib.file_digest(file, "sha256").digest())
    return sha.hexdigest() if paths else None


def rehearse(model: Any, tokenizer: Any, folder: Path, ends: Sequence[int], dtype: Any) -> None:
    """Save the untrained model and remove it again.

    Raises SrftError where that fails: so would the trained one, after its last step.
    """
    try:
        save_model(model, tokenizer, folder, ends, dtype)
    except UNSAVED as error:
        reason = " ".join(str(error).split())[:300]
        raise SrftError(f"the model could not be saved, and is not trained: {reason}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stop_at(ends: Sequence[int], model: Any, tokenizer: Any) -> None:
    """Name the tokens that end turns as stops, beside those that the base has.

    A ChatML base whose files say `<|endoftext|>` would play on behind `<|im_end|>`. The
    tokenizer's end of sequence becomes the first of them, unless it is one of them, or its
    template writes it. Settings of sampling without `do_sample`, which transformers reads and
    does not write, are taken at their word: the model samples.
    """
    config = model.generation_config
    known = config.eos_token_id
    stops = {*(known if isinstance(known, list) else [known]), *ends} - {None}
    if len(stops) > 1 or ends:
        config.eos_token_id = sorted(stops) if len(stops) > 1 else stops.pop()
    written = "eos_token" in str(tokenizer.chat_template)
    if ends and tokenizer.eos_token_id not in ends and not written:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(ends[0])
    try:
        config.validate(strict=True)
    except ValueError:
        config.do_sample = True


def base_type(base: str) -> Any:
    """The type of the base's weights, as its configuration states it; float32 where it does not."""
    import torch
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(base).dtype or torch.float32


def _cast(weights: Any, dtype: Any) -> dict[str, Any]:
    """Each tensor once, so that tied weights stay tied."""
    cast: dict[tuple[int, tuple[int, ...]], Any] = {}
    return {
        name: cast.setdefault(
            (weight.data_ptr(), tuple(weight.shape)),
            weight.to(dtype) if weight.is_floating_point() else weight,
        )
        for name, weight in weights.items()
    }


def _state_type(path: Path, dtype: Any) -> None:
    """transformers states the type of the model in memory, not that of the weights given."""
    config = orjson.loads(path.read_bytes())
    config["dtype"] = str(dtype).removeprefix("torch.")
    path.write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
