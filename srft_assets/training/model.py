"""Models: bases told apart, found again, loaded and saved, and checkpoints to take away."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from srft_assets.errors import SrftError, UsageError, headline
from srft_assets.files import replacing
from srft_assets.home import Home
from srft_assets.plugins import need
from srft_assets.training.card import CARD
from srft_assets.training.checkpoint import is_adapter, read_result, weights_gone
from srft_assets.training.job import Layout, TrainingJob
from srft_assets.training.saving import base_type
from srft_assets.warehouse.partitions import Warehouse

EDGE = 2**20
"""Bytes."""
ARTIFACTS = "artifacts"
"""The folder below `SRFT_HOME` that holds base models and checkpoints; `Home.artifacts`."""
SEGMENTS = "srft_segments"
PLAIN = frozenset({"llama", "mistral", "olmo2", "qwen2", "qwen3", "smollm3"})
"""Architectures whose scores are plain causal attention through transformers' interface."""
LOCAL = ("job.json", "result.json")
"""Files of a checkpoint that speak of this machine's folders."""
CONFIG = "adapter_config.json"


def base_digest(folder: Path) -> str:
    """16 hex digits that tell one base model folder from another, quickly whatever its size.

    Over the configuration, and of each weight file its name, its size, and its first and last
    MiB: a model that was trained on differs there too.
    """
    sha = hashlib.sha256()
    for path in sorted([*folder.glob("config.json"), *folder.glob("*.safetensors")]):
        size = path.stat().st_size
        sha.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            sha.update(file.read(EDGE))
            file.seek(max(0, size - EDGE))
            sha.update(file.read(EDGE))
    return sha.hexdigest()[:16]


def base_folder(source: str) -> Path:
    """A local folder itself, else the snapshot of a Hub id. Raises SrftError where it cannot be
    had."""
    if Path(source).is_dir():
        return Path(source).absolute()
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, ignore_patterns=["*.bin", "*.gguf", "*.pth"]))
    except (OSError, ValueError) as error:
        first = " ".join(str(error).split())[:160]
        raise SrftError(
            f"the base model {source} could not be fetched from the Hugging Face Hub "
            f"({type(error).__name__}: {first}); name a local folder, or set HF_TOKEN"
        ) from None


def base_now(stated: str, checkpoint: Path) -> str:
    """Where the base model of a checkpoint lies by now: the platform may have been moved.

    `stated` is the folder or the id that training wrote down. A folder that is not there any more
    is looked for below the platform that the checkpoint is in; where it is not there either, and
    for an id, the answer is `stated`.
    """
    parts = Path(stated).parts
    home = next((p for p in checkpoint.absolute().parents if p.name == ARTIFACTS), None)
    if Path(stated).is_dir() or home is None or ARTIFACTS not in parts:
        return stated
    found = home.joinpath(*parts[parts.index(ARTIFACTS) + 1 :])
    return str(found) if found.is_dir() else stated


def load_base(job: TrainingJob) -> tuple[Any, Any, Layout]:
    """Base model, its tokenizer, and how rows are laid out for it.

    float32 on a CPU. On a GPU a frozen base (LoRA) is bfloat16, or 4 bits (QLoRA); trained weights
    stay float32 under bfloat16 autocast. Raises SrftError where there is no model.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        model = AutoModelForCausalLM.from_pretrained(job.base_model, **_precision(job.method))
        tokenizer = AutoTokenizer.from_pretrained(job.base_model)
    except (OSError, ValueError) as error:
        told = f"cannot load the base model {job.base_model}: {headline(error)}"
        raise SrftError(told) from error
    if not supports_segments(model.config):
        return model, tokenizer, "padded"
    model.set_attn_implementation(register_segments())
    return model, tokenizer, "packed"


def _precision(method: str) -> dict[str, Any]:
    """Arguments of `from_pretrained`. The settings of QLoRA are those of arXiv 2305.14314."""
    import torch
    from transformers import BitsAndBytesConfig

    gpu = torch.cuda.is_available()
    if method != "qlora":
        return {"dtype": torch.bfloat16 if gpu and method == "lora" else torch.float32}
    if not gpu or find_spec("bitsandbytes") is None:
        lacking = "bitsandbytes" if gpu else "a GPU"
        raise SrftError(f"training.method qlora needs {lacking}, which is not here: use lora")
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    device = torch.cuda.current_device()
    return {"quantization_config": config, "dtype": torch.bfloat16, "device_map": {"": device}}


def supports_segments(config: Any) -> bool:
    """Whether a model of this transformers config needs nothing but causal attention.

    Models with sliding windows, linear layers or capped scores are trained with padding.
    """
    text = config.get_text_config()
    layers = set(getattr(text, "layer_types", None) or ["full_attention"])
    windowed = getattr(text, "sliding_window", None) is not None
    return text.model_type in PLAIN and layers == {"full_attention"} and not windowed


def register_segments() -> str:
    """Make `segment_attention` known to transformers; its name for `attn_implementation`."""
    from transformers import AttentionInterface

    AttentionInterface.register(SEGMENTS, segment_attention)
    return SEGMENTS


def segment_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: Any = None,
    **_: Any,
) -> tuple[Any, None]:
    """Causal attention within each row of one packed sequence, without contact between rows.

    TRL's packing needs flash attention, which a CPU has not; a dense block-diagonal mask costs
    time and memory quadratic in the sum of the lengths. One causal call a row costs neither.

    Shapes: query (1, heads, tokens, dim), key and value (1, key-value heads, tokens, dim);
    `cu_seq_lens_q` (rows + 1) holds the cumulative lengths. Returns (1, tokens, heads, dim).
    """
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    lengths = [query.shape[2]] if cu_seq_lens_q is None else cu_seq_lens_q.diff().tolist()
    split = [states.split(lengths, dim=2) for states in (query, key, value)]
    outputs = [
        scaled_dot_product_attention(
            q, k, v, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=True
        )
        for q, k, v in zip(*split, strict=True)
    ]
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished checkpoint: its folder, and its base model as a name and as a place."""

    folder: Path
    base_name: str
    base: str


def find_trained(home: Home, arm: str, seed: str) -> Trained:
    """The checkpoint of an arm and seed. Raises UsageError where it was never made."""
    warehouse, asset = Warehouse(home.warehouse), f"checkpoints/{arm}"
    stamp = warehouse.stamp(asset, seed)
    if stamp is None:
        raise UsageError(f"no checkpoint of arm {arm!r}, seed {seed}: srft apply {asset}")
    (row,) = warehouse.read(asset, seed).iter_rows(named=True)
    if row["method"] == "none":
        raise UsageError(f"the arm {arm} trains nothing: its model is {row['base_model']} itself")
    folder = home.root / row["path"]
    result = read_result(folder)
    if result is None:
        raise SrftError(weights_gone(arm, seed))
    name = f"base_models/{row['base_model']}"
    of_asset = any(key.startswith(f"{name}/") for key in stamp.recipe.inputs)
    base = base_now(result.base_model, folder)
    return Trained(folder, name if of_asset else row["base_model"], base)


def write_merged(trained: Trained, out: Path, base: str | None = None) -> None:
    """Write full weights (safetensors) and tokenizer to `out`, which appears whole or not at all.

    An adapter is added to its base in float32, and the sum kept in the base's own type, as full
    weights are; where its turns end comes along. `base` stands in the place of the one it was
    trained on. Raises UsageError where `out` is taken.
    """
    with _new_folder(out) as folder:
        if not is_adapter(trained.folder):
            _copy(trained.folder, folder)
            return
        model, tokenizer = _merge(trained.folder, base or trained.base)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        shutil.copyfile(trained.folder / CARD, folder / CARD)


def write_adapter(trained: Trained, out: Path) -> None:
    """Write the adapter alone; its base is told by name, without a path of this machine.

    Raises UsageError where `out` is taken, or the checkpoint is no adapter.
    """
    if not is_adapter(trained.folder):
        raise UsageError(f"{trained.folder} holds full weights: leave --adapter out")
    with _new_folder(out) as folder:
        _copy(trained.folder, folder)
        config = orjson.loads((folder / CONFIG).read_bytes())
        config["base_model_name_or_path"] = trained.base_name
        (folder / CONFIG).write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))


def _merge(adapter: Path, base: str) -> tuple[Any, Any]:
    need("train")
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    try:
        kept = base_type(base)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise SrftError(f"the base model {base} cannot be loaded: name one by --base") from error
    merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    if (adapter / "generation_config.json").exists():
        merged.generation_config = GenerationConfig.from_pretrained(adapter)
    return merged.to(kept), AutoTokenizer.from_pretrained(adapter)


def _copy(checkpoint: Path, folder: Path) -> None:
    ignored = shutil.ignore_patterns(*LOCAL)
    shutil.copytree(checkpoint, folder, ignore=ignored, dirs_exist_ok=True)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that is renamed to it when it is done."""
    if out.exists():
        raise UsageError(f"{out} exists already: name a new folder")
    with replacing(out) as beside:
        beside.mkdir()
        yield beside
