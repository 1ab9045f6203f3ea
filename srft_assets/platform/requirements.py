"""What an arm asks of this machine, and what to lower where it asks too much."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from srft_assets.base_model import BaseFacts, at_hand, base_facts
from srft_assets.devices import Device, driver_gpus, printed, torch_build, training_gpus
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.lab.base import NAME, SHIPPED
from srft_assets.outcomes.grader_choice import check_grader
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.images import CONTAINERS, image_of
from srft_assets.rollouts.preflight import check_places
from srft_assets.rollouts.scoring import grading_of
from srft_assets.rollouts.task_set import task_set
from srft_assets.sandbox import open_sandbox, sandbox_status
from srft_assets.serving import vllm_program
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.evaluation import ServeSpec
from srft_assets.tokens.tokenizer import model_source
from srft_assets.training.job import TrainingJob
from srft_assets.training.memory import (
    GIB,
    Change,
    Need,
    Setup,
    changes,
    loading,
    need_of,
    setup_of,
    space_of,
)
from srft_assets.trajectories.batches import family_of
from srft_assets.warehouse.partitions import Warehouse, matching

IMAGE = 0.5 * GIB
"""Of an image of SWE-bench on disk, most of whose layers others have too: the 500 of Verified take
240 GiB (logicstar.ai, "How We Made SWE-Bench 50x Smaller"). Other sets may take more."""
UTILIZATION = 0.9
"""Share of a GPU that vLLM takes where nothing is stated."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that an arm asks for: whether it is there, what was found, what helps."""

    name: str
    met: bool
    found: str
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Training:
    """The training of an arm on this machine.

    Attributes:
        need: bytes of one process, on its GPU or of the machine's memory.
        there: bytes that one process can have.
        gpus: GPUs that it would see; none: it takes the CPU.
        changes: what lowers the need, where it is over what is there.
        assumed: what is not known yet and was assumed, if anything.
    """

    facts: BaseFacts
    setup: Setup
    need: Need
    there: float
    gpus: tuple[Device, ...]
    changes: tuple[Change, ...]
    assumed: str

    @property
    def fits(self) -> bool:
        """Whether memory is there."""
        return self.need.total <= self.there


def training_of(arm: ArmSpec, home: Home) -> Training:
    """Raises SrftError where the base model cannot be measured, UsageError for an untrained arm."""
    if arm.training.method == "none":
        raise UsageError(f"the arm {arm.name} trains nothing; ask for one that is trained")
    facts = base_facts(source_of(arm, home))
    longest, share, assumed = _rows(arm, home)
    gpus = tuple(training_gpus())
    micro = TrainingJob.model_fields["micro_batch_tokens"].default
    tokens = int(arm.training.options.get("micro_batch_tokens", micro))
    setup = setup_of(arm.training, tokens, bool(gpus), longest, share)
    there = min(gpu.bytes for gpu in gpus) if gpus else _free_memory() / setup.processes
    need = need_of(facts, setup)
    lower = () if need.total <= there else tuple(changes(facts, setup, there, len(gpus)))
    return Training(facts, setup, need, there, gpus, lower, assumed)


def source_of(arm: ArmSpec, home: Home) -> str:
    """Folder or id of the base model; the shipped one also before its asset was made."""
    try:
        return model_source(arm.model, home, Warehouse(home.warehouse).read)
    except SrftError:
        if arm.model == NAME:
            return str(SHIPPED)
        raise


def _free_memory() -> float:
    """Bytes that processes can take, within a container's limit."""
    limit = Path("/sys/fs/cgroup/memory.max")
    stated = limit.read_text().strip() if limit.is_file() else ""
    available = psutil.virtual_memory().available
    return float(min(available, int(stated)) if stated.isdigit() else available)


def _rows(arm: ArmSpec, home: Home) -> tuple[int, float, str]:
    """Tokens of the longest row, the share that is trained, and what of it was assumed."""
    warehouse, asset = Warehouse(home.warehouse), f"masked_tokens/{arm.name}"
    limit = arm.training.max_length
    batches = matching(warehouse.partitions(asset), arm.training.batches, family_of(home))
    stamps = [stamp for batch in batches if (stamp := warehouse.stamp(asset, batch))]
    tokens = sum(stamp.figures.get("tokens", 0) for stamp in stamps)
    if not tokens:
        return limit, 1.0, f"no masks yet: rows of {limit:,} tokens, all trained"
    trained = sum(stamp.figures.get("tokens_trained", 0) for stamp in stamps)
    columns = (warehouse.read(asset, batch, ["n_tokens"])["n_tokens"] for batch in batches)
    fitting = [column.filter(column <= limit).max() for column in columns]
    longest = max((int(most) for most in fitting if isinstance(most, int)), default=limit)
    return longest, trained / tokens, ""


def requirements_of(arm: ArmSpec, home: Home, training: Training | None) -> Iterator[Requirement]:
    """What the arm asks for, each looked at for itself. `training`: None where it has none."""
    facts = training.facts if training else base_facts(source_of(arm, home))
    if training:
        told = f"{_gib(training.need.total)} of {_gib(training.there)}"
        told += " a process" * (training.setup.processes > 1)
        yield Requirement("memory", training.fits, told)
        yield from _computing(arm, training)
        yield from _context(arm, facts)
    yield _disk(arm, home, facts, training)
    yield from _served(arm, facts)
    yield from _playing(arm, home)


def _computing(arm: ArmSpec, training: Training) -> Iterator[Requirement]:
    setup, gpus = training.setup, training.gpus
    names = ", ".join(f"{gpu.name} ({gpu.bytes / GIB:.0f} GiB)" for gpu in gpus)
    unseen = () if gpus else tuple(driver_gpus())
    if unseen:
        told = f"{len(unseen)}, which torch {torch_build()} does not see"
        yield Requirement("GPUs", False, told, ("install a build of torch for them",))
    elif gpus and setup.processes > len(gpus):
        told = f"{len(gpus)} for {setup.processes} processes: {names}"
        yield Requirement("GPUs", False, told, (f"training.processes: {len(gpus)}",))
    else:
        cores = f"{psutil.cpu_count()} cores"
        yield Requirement("GPUs", True, names or f"none: it trains on the CPU, {cores}")
    if setup.method == "qlora" and (not gpus or find_spec("bitsandbytes") is None):
        lacking = "bitsandbytes is not installed" if gpus else "it needs a GPU"
        yield Requirement("qlora", False, lacking, ("training.method: lora",))
    if setup.liger and not gpus:
        yield Requirement(
            "Liger", False, "it needs a GPU", ("training.options.use_liger_kernel: false",)
        )
    if gpus:
        there, need = _free_memory(), loading(training.facts, setup)
        told = f"about {_gib(need)} of the machine's {_gib(there)} while weights are read"
        helps = () if setup.sharded else ("FSDP reads them once for all processes",)
        yield Requirement("loading", need <= there, told, helps if need > there else ())


def _disk(arm: ArmSpec, home: Home, facts: BaseFacts, training: Training | None) -> Requirement:
    root = next(each for each in (home.root, *home.root.parents) if each.exists())
    free, need, parts = shutil.disk_usage(root).free, 0.0, []
    if training:
        space = space_of(facts, training.setup)
        need = space.checkpoint + space.states
        parts = [f"{_gib(space.states)} of states while it trains"]
        parts += [f"{_gib(space.checkpoint)} for each seed"]
    if not at_hand(source_of(arm, home)):
        need += facts.weight_bytes
        parts += [f"{_gib(facts.weight_bytes)} to download"]
    told = f"about {_gib(need)} of {_gib(free)} at {root}: {', '.join(parts) or 'weights are here'}"
    advice = "more room, or SRFT_HOME on another disk"
    return Requirement("disk", need <= free, told, () if need <= free else (advice,))


def _context(arm: ArmSpec, facts: BaseFacts) -> Iterator[Requirement]:
    """Tokens that the base and the training take."""
    length = arm.training.max_length
    if facts.context is not None and facts.context < length:
        told = f"{facts.name} takes {facts.context:,} tokens, training.max_length is {length:,}"
        yield Requirement("context", False, told, (f"training.max_length: {facts.context}",))


def _served(arm: ArmSpec, facts: BaseFacts) -> Iterator[Requirement]:
    """The server, and the tokens that it and the agent take."""
    spec, length = arm.evaluation, arm.training.max_length
    serve, agent = spec.serve, spec.told.context
    if serve is None:
        return
    served = serve.max_model_len or facts.context
    if serve.base_url:
        told = f"{serve.base_url} is asked before it plays; training.max_length is {length:,}"
        yield Requirement("served context", True, told)
        return
    told = f"{served or length:,} tokens"
    told += f", trained with {length:,}" * (arm.training.method != "none")
    if agent:
        told += f"; agent.context {agent:,}"
    short = bool(served and agent and agent > served)
    yield Requirement("served context", not short, told, (f"agent.context: {served}",) * short)
    yield _serving(facts, serve, served or length, tuple(training_gpus()))


def _serving(
    facts: BaseFacts, serve: ServeSpec, tokens: int, gpus: tuple[Device, ...]
) -> Requirement:
    """Our vLLM: weights, and the keys and values of one chat, over the GPUs that share them."""
    if vllm_program() is None:
        installed = 'pip install "srft-assets[vllm]"'
        told = "vLLM is not installed"
        return Requirement("serving", False, told, (installed, "or evaluation.serve.base_url"))
    shares = serve.tensor_parallel_size or 1
    cache = 2 * 2 * facts.layers * facts.kv_heads * facts.head_width * tokens
    need = (facts.weight_bytes + cache) / shares
    share = serve.gpu_memory_utilization or UTILIZATION
    there = min((gpu.bytes for gpu in gpus), default=0) * share or _free_memory()
    told = (
        f"about {_gib(need)} of {_gib(there)}: weights, and {_gib(cache / shares)} for one chat of "
        f"{tokens:,} tokens"
    )
    if gpus and shares > len(gpus):
        fewer = f"evaluation.serve.tensor_parallel_size: {len(gpus)}"
        return Requirement("serving", False, f"{len(gpus)} GPUs for {shares}", (fewer,))
    lower = "evaluation.serve: a larger tensor_parallel_size, quantization: fp8, or"
    helps = () if need <= there else (lower, "a smaller max_model_len")
    return Requirement("serving", need <= there, told, helps)


def _playing(arm: ArmSpec, home: Home) -> Iterator[Requirement]:
    """Where the held-out tasks are played and graded."""
    spec, place = arm.evaluation, arm.evaluation.where_played
    if place == "sandbox" and not spec.of_rows:
        yield _tried("sandbox", lambda: open_sandbox() and sandbox_status())
        return
    tasks: list[TaskInstance] = []

    def read() -> str:
        tasks.extend(task_set(spec, home))
        return f"{len(tasks)} of {spec.tasks}"

    yield _tried("tasks", read)

    def ready() -> str:
        check_places(tasks, place)
        return f"{place}, {len({image_of(task) for task in tasks})} images" if tasks else place

    yield _tried("environment", ready if place != "sandbox" else lambda: sandbox_status())
    if tasks and place in CONTAINERS and shutil.which(place):
        yield _images(place, tasks)
    if spec.who_grades != "none" and place != "sandbox":

        def grades() -> str:
            check_grader(grading_of(spec), {task.instance_id: task for task in tasks})
            return spec.who_grades

        yield _tried("grader", grades)


def _tried(name: str, look: Callable[[], object]) -> Requirement:
    try:
        return Requirement(name, True, str(look()))
    except SrftError as error:
        return Requirement(name, False, str(error))


def _images(program: str, tasks: list[TaskInstance]) -> Requirement:
    """Room for the images that are not here, where the program keeps them."""
    known = _printed([program, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).split()
    here = {name.removeprefix("docker.io/") for name in known}
    wanted = {image_of(task).removeprefix("docker.io/") for task in tasks}
    absent = len(wanted - here)
    field = "{{.DockerRootDir}}" if program == "docker" else "{{.Store.GraphRoot}}"
    root = Path(_printed([program, "info", "--format", field]).strip() or "/")
    free = shutil.disk_usage(root if root.exists() else "/").free
    need = absent * IMAGE
    told = f"{absent} of {len(wanted)} to fetch, about {_gib(need)} of {_gib(free)} at {root}"
    return Requirement("images", need <= free, told, () if need <= free else ("evaluation.first",))


def _printed(argv: list[str]) -> str:
    return printed(argv).decode(errors="replace")


def _gib(size: float) -> str:
    return f"{size / GIB:,.1f} GiB"
