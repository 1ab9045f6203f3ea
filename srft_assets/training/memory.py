"""What memory a training takes, from its settings and the sizes of its base model.

Bytes by what holds them, for one process. What the trainer of this package does is counted: weights
that are trained stay float32 (`model.load_base`), a GPU computes in bfloat16.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from srft_assets.base_model import BYTES, BaseFacts
from srft_assets.errors import SrftError
from srft_assets.project.yaml_files import read_yaml
from srft_assets.tokens.arm import TrainingSpec
from srft_assets.training.process import launcher_args

GIB = 2**30
PROCESS = 0.75 * GIB
"""Of a process on a CPU that has loaded torch, transformers and TRL, before any weight."""
CONTEXT = 1.5 * GIB
"""Of CUDA's context, cuBLAS's and NCCL's buffers; an assumption."""
TILE = (4096, 32_768)
"""Tokens and words of the logits that TRL holds at once (`trl.kernels.chunked_logprob`)."""
QUANTIZED = 0.5 + 0.127 / 8
"""Bytes of a weight in NF4 with double quantization (arXiv 2305.14314, section 3)."""
STATES = {"8bit": 2.0, "adafactor": 0.0, "sgd": 0.0, "lion": 4.0, "rmsprop": 4.0, "adagrad": 4.0}
"""Bytes that an optimizer keeps of a trained parameter, by a part of its name; else Adam's 8. In
8 bits: arXiv 2110.02861."""
TRAINED = 4
"""Bytes of a trained weight, and of its gradient."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One training as memory sees it.

    Attributes:
        tokens: of a forward pass; `with_loss`: those of them that are trained.
        longest: tokens of the longest row, which stands alone at least.
        recompute: whether activations are checkpointed.
        sharded: whether FSDP shares weights, gradients and optimizer out to the processes.
        plain: whether the loss is the likelihood alone, so that logits come in tiles.
    """

    method: str
    tokens: int
    with_loss: int
    longest: int
    rank: int
    optimizer: float
    gpu: bool
    recompute: bool
    liger: bool
    sharded: bool
    processes: int
    plain: bool


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes of one process at the height of a step."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    rest: float

    @property
    def total(self) -> float:
        """All of it."""
        state = self.weights + self.gradients + self.optimizer
        return state + self.activations + self.logits + self.rest


def setup_of(
    training: TrainingSpec, micro_batch_tokens: int, gpu: bool, longest: int, share: float = 1.0
) -> Setup:
    """The training of an arm. `longest`: tokens of its longest row; `share`: of all tokens those
    that are trained. Raises SrftError for an accelerate configuration that cannot be read."""
    options, accelerate = training.options, _accelerate(training)
    fsdp = options.get("fsdp_config") or accelerate.get("fsdp_config") or {}
    inside = isinstance(fsdp, Mapping) and any(
        fsdp.get(name) for name in ("activation_checkpointing", "fsdp_activation_checkpointing")
    )
    tokens = max(micro_batch_tokens, longest)
    optim = str(options.get("optim", ""))
    return Setup(
        method=training.method,
        tokens=tokens,
        with_loss=round(tokens * share),
        longest=longest,
        rank=training.lora_rank,
        optimizer=next((size for part, size in STATES.items() if part in optim), 8.0),
        gpu=gpu,
        recompute=bool(options.get("gradient_checkpointing", gpu)) or inside,
        liger=bool(options.get("use_liger_kernel")),
        sharded=bool(options.get("fsdp")) or accelerate.get("distributed_type") == "FSDP",
        processes=training.processes,
        plain=options.get("loss_type", "nll") == "nll"
        and not options.get("label_smoothing_factor"),
    )


def _accelerate(training: TrainingSpec) -> dict[str, Any]:
    """What the configuration file of accelerate states; none without one. Raises SrftError for one
    that cannot be read."""
    stated = launcher_args(training)
    for flag, value in zip(stated, [*stated, ""][1:], strict=True):
        name, _, own = flag.partition("=")
        if name.lstrip("-").replace("-", "_") == "config_file":
            path = Path(own or value).expanduser()
            found = read_yaml(path) if path.is_file() else [{}]
            if len(found) != 1 or not isinstance(found[0], dict):
                raise SrftError(f"{path}: no mapping of settings, as accelerate's launcher reads")
            return found[0]
    return {"distributed_type": "FSDP"} if "--use_fsdp" in stated else {}


def need_of(facts: BaseFacts, setup: Setup) -> Need:
    """Bytes of one process.

    Weights, gradients and optimizer: those of mixed precision with Adam, 16 bytes of a trained
    parameter (arXiv 1910.02054, section 3.1), shared out by FSDP, which holds two layers and what
    is in none whole (arXiv 2304.11277, section 3). DDP holds gradients twice, in its buckets.
    """
    full, alone = setup.method == "full", not setup.sharded
    trained = facts.parameters if full else facts.adapter_parameters(setup.rank)
    shards = 1 if alone else setup.processes
    number = 2 if setup.gpu else 4
    weights = (TRAINED * trained if full else _frozen(facts, setup) + TRAINED * trained) / shards
    gathered = 0.0
    if setup.sharded:
        whole = 2 * facts.largest_layer + facts.outside_layers
        gathered = whole * number * (2 if full else 1)
    elif full and setup.gpu:
        gathered = 2.0 * trained  # autocast keeps a bfloat16 copy of each weight during a step
    buckets = 2 if alone and setup.processes > 1 else 1
    return Need(
        weights=weights + gathered,
        gradients=TRAINED * trained * buckets / shards,
        optimizer=setup.optimizer * trained / shards,
        activations=_activations(facts, setup),
        logits=_logits(facts, setup),
        rest=CONTEXT if setup.gpu else PROCESS,
    )


def _frozen(facts: BaseFacts, setup: Setup) -> float:
    """A base that is not trained: float32 on a CPU, bfloat16 on a GPU; in 4 bits all but what lies
    in no layer."""
    if setup.method != "qlora":
        return facts.parameters * (2.0 if setup.gpu else 4.0)
    inside = facts.parameters - facts.outside_layers
    return QUANTIZED * inside + 2.0 * facts.outside_layers


def _activations(facts: BaseFacts, setup: Setup) -> float:
    """What the backward pass reads again, as counted by Korthikanti et al. (arXiv 2205.05198,
    section 4.1), for layers with RMSNorm, a gated MLP, no dropout, and attention that keeps no
    scores.

    Numbers a token of a layer, with h the width of the model, a and k those of all queries and all
    keys, m that of the MLP: of each norm its input, the normed input and the result (6 h), queries,
    attention and what the projection reads (3 a), keys and values (2 k), and of the MLP gate,
    activated gate, up and product (4 m). Under autocast norms and the inputs of linear layers are
    kept in float32 too. Liger's norms and MLP compute one of them anew each. Checkpointing keeps
    the input of each layer, and one layer whole (section 4.2); the backward pass of an MLP holds
    gradients of its width besides.
    """
    hidden, wide = facts.hidden, facts.mlp_width
    queries, keys = facts.heads * facts.head_width, facts.kv_heads * facts.head_width
    number = 2 if setup.gpu else 4
    kept = (4 if setup.liger else 6) * hidden + 3 * queries + 2 * keys
    kept += (3 if setup.liger else 4) * wide
    layer = number * kept + (14 * hidden if setup.gpu else 0)
    passing = number * 2 * (wide + hidden)
    stream = 2 if setup.gpu and setup.method != "full" else 4
    held = facts.layers * layer
    if setup.recompute:
        held = facts.layers * stream * hidden + layer
    return float(setup.tokens * (held + passing))


def _logits(facts: BaseFacts, setup: Setup) -> float:
    """Logits of the trained tokens, their softmax and its gradient in float32 on a CPU; on a GPU a
    tile of TRL's and the gradient of a trained head. Another loss takes those of all tokens."""
    if not setup.plain:
        return 4.0 * 3 * setup.tokens * facts.vocabulary
    if not setup.gpu:
        return 4.0 * 3 * setup.with_loss * facts.vocabulary
    tokens, words = TILE
    tile = 2.0 * min(setup.with_loss, tokens) * words
    head = 4.0 * facts.vocabulary * facts.hidden if setup.method == "full" else 0.0
    return tile + head + 4.0 * setup.with_loss * facts.hidden


@dataclass(frozen=True, slots=True)
class Change:
    """A setting of the arm, and what would be needed with it and all before it."""

    setting: str
    need: Need


ROUND = 256
"""Tokens to which a suggested length is rounded down."""


def changes(facts: BaseFacts, setup: Setup, there: float, devices: int) -> Iterator[Change]:
    """What lowers the need to `there` bytes a process, each on top of those before it, until it
    fits. What changes no weight beyond rounding comes first. `devices`: GPUs of this machine."""
    for setting, changed in _steps(facts, setup, there, devices):
        need = need_of(facts, changed)
        yield Change(setting, need)
        if need.total <= there:
            return


def _steps(
    facts: BaseFacts, setup: Setup, there: float, devices: int
) -> Iterator[tuple[str, Setup]]:
    if setup.tokens > setup.longest:
        setup = _shorter(facts, setup, there, setup.longest)
        yield f"training.options.micro_batch_tokens: {setup.tokens}", setup
    if not setup.recompute:
        setup = replace(setup, recompute=True)
        yield "training.options.gradient_checkpointing: true", setup
    if setup.gpu and not setup.sharded and devices > 1:
        setup = replace(setup, sharded=True, processes=devices)
        yield f"FSDP over {devices} GPUs (launcher: accelerate, processes: {devices})", setup
    if setup.method == "full":
        setup = replace(setup, method="lora")
        yield "training.method: lora", setup
    if setup.method == "lora" and setup.gpu and not setup.sharded:
        setup = replace(setup, method="qlora")
        yield "training.method: qlora", setup
    shorter = _shorter(facts, setup, there, ROUND)
    if need_of(facts, shorter).total <= there:
        yield f"training.max_length and micro_batch_tokens: {shorter.tokens}", shorter


def _shorter(facts: BaseFacts, setup: Setup, there: float, least: int) -> Setup:
    """With the most tokens of a forward pass that fit, though not below `least`."""
    share = setup.with_loss / setup.tokens

    def of(tokens: int) -> Setup:
        return replace(setup, tokens=tokens, with_loss=round(tokens * share))

    few, many = least, setup.tokens
    while many - few > ROUND:
        middle = (few + many) // 2
        fits = need_of(facts, of(middle)).total <= there
        few, many = (middle, many) if fits else (few, middle)
    return of(max(least, few - few % ROUND))


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes on disk: of one finished checkpoint, and of the states while it is trained."""

    checkpoint: float
    states: float


KEPT = 3
"""States on disk at most: two are kept, and a third is written before the older one goes."""


def space_of(facts: BaseFacts, setup: Setup) -> Space:
    """A full checkpoint has the type of its base; a state is float32, with the optimizer."""
    full = setup.method == "full"
    trained = facts.parameters if full else facts.adapter_parameters(setup.rank)
    size = BYTES.get(facts.dtype, 2) if full else TRAINED
    return Space(size * trained, KEPT * (TRAINED + setup.optimizer) * trained)


def loading(facts: BaseFacts, setup: Setup) -> float:
    """Bytes of the machine's own memory while weights are read on their way to its GPUs: each
    process reads them all, but with FSDP the first one alone."""
    size = 4 if setup.method == "full" else 2
    return float(size * facts.parameters * (1 if setup.sharded else setup.processes))
