"""A base model's size, from `config.json` and the heads of its safetensors files.

Neither torch nor the weights are loaded, so that plans and `srft doctor` stay quick. Where no
weights are at hand, the tensors follow from `config.json`, for the architectures of `FAMILIES`.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import prod
from pathlib import Path
from typing import Any, Literal

import orjson
import yaml

from srft_assets.base_shapes import EXPERTS, FAMILIES, Family, Shapes, experts_of, shapes_of
from srft_assets.errors import SrftError, excerpt_of, headline

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
"""Of one number, by dtype as `config.json` names it."""
HEADERS = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}
"""The dtypes of weights as safetensors names them."""
SHIPPED = Path(__file__).with_name("base_configs.yaml")
HEAD = "lm_head.weight"
LAYER = re.compile(r"layers\.\d+\.")
ROUTED = ".experts."
"""Stands in the names of tensors of which each token meets a few experts' share only."""
SIZES = frozenset(
    {
        *EXPERTS,
        *("hidden_size", "vocab_size", "head_dim", "max_position_embeddings"),
        *("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "num_experts_per_tok"),
        *("intermediate_size", "moe_intermediate_size", "shared_expert_intermediate_size"),
        *("n_shared_experts", "decoder_sparse_step"),
    }
)
"""The settings of `config.json` that are whole numbers, or not stated."""
LAYERS = 10_000
"""A model has at most; as many tensors as this says are made."""
UNSOUND = (
    *(ArithmeticError, AttributeError, LookupError, MemoryError),
    *(RecursionError, TypeError, ValueError),
)
"""What files raise that hold something else than they should."""
ROUTER = "mlp.gate.weight"
NO_ADAPTER = ("embed_tokens.weight", HEAD, "router.weight")
"""Ends of the names of matrices that are no linear layer of transformers, and of the head."""
STACKED = ("mixtral", "qwen3_moe")
"""Architectures whose experts and router peft adapts among the linear layers."""


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """What is known of a base model.

    Attributes:
        name: the folder or the Hub id.
        kind: `model_type` of its text model.
        parameters: all of them; a tied head is counted once.
        active: those that one token meets; fewer than all in a mixture of experts.
        layers, hidden, heads, kv_heads, head_width: of the text model.
        mlp_width: columns of the inner layers of the MLPs that one token meets.
        vocabulary: rows of the head.
        context: tokens that it takes; None where positions are stretched, or none are stated.
        dtype: of its weights, as torch names it.
        weight_bytes: of its weight files.
        counted: from the heads of weight files, or from `config.json`.
    """

    name: str
    kind: str
    parameters: int
    active: int
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_width: int
    mlp_width: int
    vocabulary: int
    context: int | None
    dtype: str
    weight_bytes: int
    counted: Literal["weights", "config"]
    shapes: Shapes = field(repr=False, compare=False)

    def adapter_parameters(self, rank: int) -> int:
        """Parameters of LoRA adapters on every linear layer but the head: `rank` times the rows
        and columns of each (arXiv 2106.09685, section 4.1). peft adapts stacked experts too, those
        of two fused matrices with twice the rank."""
        stacked, total = self.kind in STACKED, 0
        without = NO_ADAPTER if stacked else (*NO_ADAPTER, ROUTER)
        for name, shape in self.shapes.items():
            if ROUTED in name:
                fused = 2 if "gate_up" in name else 1
                total += fused * shape[0] * sum(shape[1:]) if stacked and len(shape) == 3 else 0
            elif len(shape) == 2 and not name.endswith(without):
                total += sum(shape)
        return rank * total

    @property
    def largest_layer(self) -> int:
        """Parameters of the largest layer: what FSDP gathers at once."""
        sums: Counter[str] = Counter()
        for name, shape in self.shapes.items():
            if found := LAYER.search(name):
                sums[found[0]] += prod(shape)
        return max(sums.values(), default=0)

    @property
    def outside_layers(self) -> int:
        """Parameters of no layer: embeddings, head, last norm."""
        return sum(prod(shape) for name, shape in self.shapes.items() if not LAYER.search(name))


def base_facts(source: str, ask_hub: bool = True) -> BaseFacts:
    """Facts of the model in a local folder, or of a Hub id.

    An id is looked for among the configurations that this package carries, then, with `ask_hub`, on
    the Hub, whose newest files a training loads, and where that does not answer in its cache on
    this machine. Raises SrftError where there is no such model, its files are damaged, or it has no
    weights at hand and its architecture is none of `FAMILIES`.
    """
    if Path(source).is_dir():
        if not (Path(source) / "config.json").is_file():
            raise SrftError(f"{source} holds no config.json: it is no model of transformers")
        return _facts(source, *_of_folder(Path(source)))
    if shipped := _shipped().get(source.removesuffix("-Instruct")):
        return _facts(source, shipped, {})
    cached = _cached(source)
    known = cached is not None and (cached / "config.json").is_file()
    if ask_hub:
        try:
            return _facts(source, *_of_hub(source, cached))
        except HubSilentError:
            if not known:
                raise
    if cached is None or not known:
        raise SrftError(f"the configuration of {source} is not on this machine yet")
    return _facts(source, *_of_folder(cached))


def at_hand(source: str) -> bool:
    """Whether the weights are on this machine: in the folder, or in the Hub's cache."""
    folder = Path(source) if Path(source).is_dir() else _cached(source)
    return folder is not None and bool(weights_of(folder))


def weights_of(folder: Path) -> Mapping[str, Any]:
    """Name → huggingface_hub's `TensorInfo` of each tensor of a folder's model; none where its
    weight files are not all there. Raises SrftError for a damaged one."""
    from huggingface_hub import parse_local_safetensors_file_metadata
    from huggingface_hub.errors import SafetensorsParsingError

    found: dict[str, Any] = {}
    for path in _weight_files(folder):
        try:
            found |= _sound(parse_local_safetensors_file_metadata(path).tensors)
        except FileNotFoundError:
            return {}
        except (OSError, SafetensorsParsingError, *UNSOUND):
            raise SrftError(f"{path} is damaged: no head of a safetensors file") from None
    return found


def _sound(tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tensors. Raises TypeError or ValueError where one is of no whole numbers."""
    for name, one in tensors.items():
        begin, end = one.data_offsets
        if any(type(number) is not int or number < 0 for number in (*one.shape, end - begin)):
            raise ValueError(f"no shape of whole numbers, or no place: {name!r}")
    return tensors


def _weight_files(folder: Path) -> list[Path]:
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if not whole.exists() and index.exists():
        stated = _json(index).get("weight_map")
        named: list[Any] = list(stated.values()) if isinstance(stated, dict) else [None]
        if not all(isinstance(name, str) and name == Path(name).name for name in named):
            raise SrftError(f"{index} is damaged: it names no weight files beside it")
        return [folder / name for name in sorted(set(named))]
    return [whole] if whole.exists() else sorted(folder.glob("*.safetensors"))


def _facts(source: str, stated: Mapping[str, Any], weights: Mapping[str, Any]) -> BaseFacts:
    try:
        return _measured(source, stated, weights)
    except KeyError as error:
        raise SrftError(f"config.json of {source} lacks {error}") from None
    except UNSOUND as error:
        raise SrftError(f"config.json of {source} is not sound: {headline(error)}") from None


def _measured(source: str, stated: Mapping[str, Any], weights: Mapping[str, Any]) -> BaseFacts:
    config = stated.get("text_config") or stated
    _check_numbers(config)
    kind = str(config.get("model_type"))
    family = FAMILIES.get(kind, Family())
    heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
    width = int(config.get("head_dim") or family.head_width or hidden // heads)
    plain = bool(weights) and "quantization_config" not in stated
    known = kind in FAMILIES and "vision_config" not in stated
    if not plain and not known:
        what = "its weights are packed" if weights else "its weights are not at hand"
        raise SrftError(f"{source}: {what}, and {kind} is counted only from plain ones")
    found = {name: tuple(one.shape) for name, one in weights.items()}
    if config.get("tie_word_embeddings", family.tied):
        found.pop(HEAD, None)
    shapes: Shapes = dict(shapes_of(config, family, width)) if known else found
    parameters = sum(map(prod, (found if plain else shapes).values()))
    routed = sum(prod(shape) for name, shape in shapes.items() if ROUTED in name)
    held = {**stated, **config}
    dtype = _dtype(weights) or str(held.get("dtype") or held.get("torch_dtype") or "float32")
    stored = sum(end - start for start, end in (one.data_offsets for one in weights.values()))
    return BaseFacts(
        name=source,
        kind=kind,
        parameters=parameters,
        active=parameters - round(routed * (1 - _share(config))),
        layers=int(config["num_hidden_layers"]),
        hidden=hidden,
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_width=width,
        mlp_width=_mlp_width(config),
        vocabulary=int(config["vocab_size"]),
        context=None if _stretched(config) else config.get("max_position_embeddings"),
        dtype=dtype,
        weight_bytes=stored or parameters * BYTES.get(dtype, 2),
        counted="weights" if plain else "config",
        shapes=shapes,
    )


def _check_numbers(config: Mapping[str, Any]) -> None:
    """Raise ValueError for a size that is no whole number, and for layers beyond all reason."""
    for name in SIZES & config.keys():
        value, most = config[name], LAYERS if name == "num_hidden_layers" else 2**60
        if value is not None and not (isinstance(value, int) and 0 <= value <= most):
            raise ValueError(f"{name} is {excerpt_of(repr(value))}")


def _stretched(config: Mapping[str, Any]) -> bool:
    stated = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = stated.get("rope_type") or stated.get("type") or "default"
    return bool(kind != "default")


def _share(config: Mapping[str, Any]) -> float:
    """Of the routed experts, those that a token meets."""
    experts = experts_of(config)
    return int(config["num_experts_per_tok"]) / experts if experts else 1.0


def _mlp_width(config: Mapping[str, Any]) -> int:
    """Of a layer with experts, where there are any."""
    if not experts_of(config):
        return int(config["intermediate_size"])
    own = int(config.get("moe_intermediate_size") or config["intermediate_size"])
    shared = int(config.get("shared_expert_intermediate_size") or 0)
    shared += own * int(config.get("n_shared_experts") or 0)
    return own * int(config["num_experts_per_tok"]) + shared


def _dtype(weights: Mapping[str, Any]) -> str | None:
    """Of most numbers in the weight files."""
    counts: Counter[str] = Counter()
    for one in weights.values():
        counts[one.dtype] += one.parameter_count
    return HEADERS.get(counts.most_common(1)[0][0]) if counts else None


@cache
def _shipped() -> dict[str, dict[str, Any]]:
    stated: dict[str, dict[str, Any]] = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    return stated


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError):
        return None


class HubSilentError(SrftError):
    """The Hub cannot be reached, or does not give a model."""


def _of_folder(folder: Path) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Configuration and tensors."""
    return _json(folder / "config.json"), weights_of(folder)


def _of_hub(name: str, cached: Path | None) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Configuration and tensors; of the weight files their heads alone are fetched, unless the
    copy on this machine has them and is of the Hub's newest commit.

    What the cache calls the newest commit stays so: a newer one without its weights would hide
    those of the older from a training without network.
    """
    from httpx import HTTPError
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import (
        HFValidationError,
        NotASafetensorsRepoError,
        SafetensorsParsingError,
    )

    api, found = HfApi(library_name="srft"), {}
    try:
        newest = api.model_info(name, timeout=10).sha
        if cached is not None and cached.name == newest and weights_of(cached):
            return _of_folder(cached)
        commit = None if cached is None else newest
        config = _json(Path(hf_hub_download(name, "config.json", revision=commit)))
        files = api.get_safetensors_metadata(name, revision=commit).files_metadata
        found = {key: one for file in files.values() for key, one in _sound(file.tensors).items()}
    except NotASafetensorsRepoError:
        pass
    except (HTTPError, OSError, HFValidationError) as error:
        raise HubSilentError(
            f"no base model {name}: no such folder, and the Hugging Face Hub does not give it "
            f"({headline(error)})"
        ) from error
    except (SafetensorsParsingError, *UNSOUND) as error:
        told = f"what the Hugging Face Hub holds of {name} is damaged: {headline(error)}"
        raise SrftError(told) from error
    return config, found


def _json(path: Path) -> dict[str, Any]:
    try:
        stated = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise SrftError(f"{path} is not JSON: {headline(error)}") from error
    if not isinstance(stated, dict):
        raise SrftError(f"{path} is no mapping of settings")
    return stated
