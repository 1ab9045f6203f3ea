"""`srft doctor`: what this machine can do, and what is damaged."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from srft_assets import devices
from srft_assets.cli.console import put, quoted, say
from srft_assets.errors import SrftError
from srft_assets.home import current_home
from srft_assets.tables import figures, table, whole, words

if TYPE_CHECKING:
    from srft_assets.platform.requirements import Training

GIB = 2**30

Finding = tuple[bool, str, str]
"""Whether it is there, what was found, and what to do where it is not."""


def gpu() -> Finding:
    """The GPUs that the driver shows."""
    if shutil.which("nvidia-smi") is None:
        return False, "none", "training uses the CPU: fine for the embedded default"
    found = devices.driver_gpus()
    names = "; ".join(f"{one.name}, {one.bytes // 2**20} MiB" for one in found)
    return bool(names), names or "driver without a GPU", "" if found else "look at nvidia-smi"


def vllm() -> Finding:
    """Where critics are served: a given server, or the program that would be started."""
    from srft_assets.project.settings import settings
    from srft_assets.serving import vllm_program

    if settings().critic.url:
        return True, "a server of your own (critic.url)", ""
    if program := vllm_program():
        return True, program, ""
    return (
        False,
        "not installed",
        'to serve critics and students: pip install "srft-assets[vllm]", or set critic.url',
    )


def docker() -> Finding:
    """A Docker daemon that answers."""
    if shutil.which("docker") is None:
        return False, "no client", "to grade with the SWE-bench harness: install Docker"
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    if version := devices.printed(asked).decode(errors="replace").strip():
        return True, version, ""
    return False, "client, but no daemon", "to grade with the SWE-bench harness: start dockerd"


def sandbox() -> Finding:
    """The sandbox for commands that a model wrote."""
    from srft_assets.errors import SandboxMissingError
    from srft_assets.sandbox import open_sandbox, sandbox_status

    try:
        open_sandbox()
    except SandboxMissingError as error:
        return False, "none", str(error)
    return True, sandbox_status(), ""


def disk() -> Finding:
    """Free space where the state lives."""
    root = current_home().root
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(there).free / 2**30
    return free > 5, f"{free:.0f} GiB free at {root}", "" if free > 5 else "weights need space"


def machine() -> Finding:
    """Cores and memory."""
    import psutil

    memory = psutil.virtual_memory().total / 2**30
    return True, f"{psutil.cpu_count()} cores, {memory:.0f} GiB", ""


def torch_build() -> Finding:
    """The PyTorch build, without importing it."""
    build = devices.torch_build()
    return build is not None, build or "not installed", "" if build else "make setup"


FINDINGS: dict[str, Callable[[], Finding]] = {
    "machine": machine,
    "disk": disk,
    "sandbox": sandbox,
    "torch": torch_build,
    "GPU": gpu,
    "vLLM": vllm,
    "Docker": docker,
}


def doctor(
    arm: Annotated[
        str | None, typer.Option(help="Check this machine against what an arm asks for, instead.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Move aside what is damaged, and mend what can be.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read all state, as --repair does, and not only heads.")
    ] = False,
    shared: Annotated[
        bool,
        typer.Option("--shared", help="Run on two hosts at once: can both share SRFT_HOME?"),
    ] = False,
) -> None:
    """Show what this machine can do, what to install for the rest, and what is damaged."""
    console = Console()
    if shared:
        _shared(console)
        return
    if arm is not None:
        _arm(console, arm)
        return
    rows = []
    for name, look in FINDINGS.items():
        there, found, advice = look()
        rows.append((name, _mark(there), f"{found}; {advice}" if advice else found))
    console.print(table([whole(""), whole(""), words("")], rows))
    _state(console, repair, deep or repair)


def _shared(console: Console) -> None:
    """Try with another host what a shared home has to hold; exit 1 where it does not."""
    from srft_assets.platform.shared_folder import MEET_SECONDS, alone, meeting, together

    home = current_home()
    found = list(alone(home))
    with console.status("waiting for srft doctor --shared on another host"), meeting(home) as talk:
        if talk is not None:
            found += together(home, talk)
    rows = [
        (each.name, _mark(each.met), each.found if each.met else f"{each.found}; {each.advice}")
        for each in found
    ]
    console.print(table([whole(""), whole(""), words("")], rows))
    put(shared=[asdict(each) for each in found])
    if bad := [each.name for each in found if not each.met]:
        raise SrftError(f"{home.root} cannot be shared so: {', '.join(bad)}")
    if talk is None:
        raise SrftError(
            f"no other host was seen in {home.root} within {MEET_SECONDS:.0f} s: run the same "
            "there at the same time; one that ran sees nothing of what this host writes"
        )
    say(console, f"Two hosts can share {quoted(str(home.root))}.")


def _mark(there: bool) -> Text:
    return Text("yes", "green") if there else Text("no", "yellow")


def _arm(console: Console, name: str) -> None:
    """Tell what the arm asks for, what is there, and what to lower."""
    with console.status("looking at this machine"):
        from srft_assets.platform.requirements import requirements_of, training_of
        from srft_assets.platform.stages import arm_of

        home, arm = current_home(), arm_of(name)
        training = training_of(arm, home) if arm.training.method != "none" else None
        found = list(requirements_of(arm, home, training))
    if training:
        _tell_training(console, training)
    else:
        say(
            console,
            f"The arm {quoted(name)} trains nothing: {quoted(arm.model)} is scored as it is.",
        )
    marks = [(one.name, _mark(one.met), "; ".join((one.found, *one.advice))) for one in found]
    console.print(table([whole(""), whole(""), words("")], marks))
    changes = training.changes if training else ()
    if training and not training.fits:
        _tell_changes(console, training)
    put(
        arm=name,
        requirements=[asdict(one) for one in found],
        changes=[{"setting": each.setting, "bytes": each.need.total} for each in changes],
    )
    if lacking := [one.name for one in found if not one.met]:
        raise SrftError(f"arm {name} asks for more than is here: {', '.join(lacking)}")
    say(console, f"This machine has what the arm {quoted(name)} asks for.")


def _tell_training(console: Console, training: "Training") -> None:
    """The base model, how it is trained, and the memory of one process by what holds it."""
    facts, need = training.facts, training.need
    active = f", {facts.active:,} of them a token" if facts.active < facts.parameters else ""
    say(console, quoted(f"{facts.name}: {facts.parameters:,} parameters{active}, {facts.dtype}"))
    say(console, quoted(_setup(training)))
    sizes = {**asdict(need), "needed": need.total, "there": training.there}
    rows = [(each, f"{size / GIB:,.2f}") for each, size in sizes.items()]
    console.print(table([whole("memory"), *figures("GiB")], rows))
    put(base=facts.name, parameters=facts.parameters, memory=sizes)


def _tell_changes(console: Console, training: "Training") -> None:
    say(console, "What lowers memory, each on top of those before it:")
    for change in training.changes:
        say(console, f"  {quoted(change.setting)}: {change.need.total / GIB:,.1f} GiB")
    if not training.changes or training.changes[-1].need.total > training.there:
        say(console, "That is not enough: a smaller base model, or more memory.")


def _setup(training: "Training") -> str:
    """The training in one line."""
    setup = training.setup
    parts = [setup.method, f"{setup.tokens:,} tokens of a forward pass"]
    parts += ["activations checkpointed"] * setup.recompute
    parts += [f"{setup.processes} processes{', sharded' * setup.sharded}"] * (setup.processes > 1)
    parts += [training.assumed] if training.assumed else []
    return "; ".join(parts)


def _state(console: Console, repair: bool, deep: bool) -> None:
    """Tell what is damaged of the platform, or mend it; exit 1 where damage stays."""
    from srft_assets.cli.platform import refresh_catalogue
    from srft_assets.platform.repair import damaged
    from srft_assets.platform.stages import load_stages

    home = current_home()
    if not home.root.exists():
        return
    with console.status("reading all state" if deep else "reading the heads of state"):
        found = list(damaged(home, load_stages(), deep))
    for one in found:
        say(console, f"[red]damaged[/] {quoted(f'{one.path}: {one.why}')}")
        if repair:
            say(console, f"  moved to {quoted(str(home.root / 'damaged'))}: {quoted(one.repair())}")
    if not found:
        told = "" if deep else ", as far as heads tell; --deep reads all of it"
        say(console, f"Nothing is damaged in {quoted(str(home.root))}{told}.")
    elif repair:
        refresh_catalogue(home)
    else:
        raise SrftError("srft doctor --repair moves aside what is damaged, and mends what can be")
