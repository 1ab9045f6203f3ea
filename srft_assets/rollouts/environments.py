"""Where a task is played, by the settings of a batch: the sandbox, or an image of the task."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

from srft_assets.agent.play import Play, Scene, sandboxed
from srft_assets.agent.protocol import SandboxEnvironment
from srft_assets.home import Home
from srft_assets.outcomes.task import TaskInstance
from srft_assets.plugins import ENVIRONMENTS, plugin
from srft_assets.rollouts.images import CONTAINERS, container_of, owner_of
from srft_assets.rollouts.settings import RolloutSettings, told_of
from srft_assets.rollouts.without_docker import on_modal, unpacked
from srft_assets.sandbox import Limits, open_sandbox

SANDBOXED = ("sandbox", "sdist")
"""Environments that are bubblewrap."""
SDIST_MEMORY_MB = 8192
SDIST_FILE_MB = 256


class Prepared(Protocol):
    """A task ready to be worked on in the sandbox.

    Attributes:
        tree: the repository before the fix, without the hidden tests.
        readonly: folders that the sandbox must show besides.
        env: environment variables of every command.
        command: how tests are run, as a hint for the agent.
    """

    @property
    def tree(self) -> Path: ...
    @property
    def readonly(self) -> tuple[Path, ...]: ...
    @property
    def env(self) -> Mapping[str, str]: ...
    @property
    def command(self) -> str: ...


Prepare: TypeAlias = Callable[[TaskInstance, Home], AbstractContextManager[Prepared]]
"""What an entry point `srft.environments` gives; its tree is gone afterwards. Raises SrftError."""


@contextmanager
def scene_of(
    play: Play, settings: RolloutSettings, home: Home, batch: str, unsafe: bool
) -> Iterator[Scene]:
    """The task, ready to be worked on; gone afterwards. Raises SrftError, SandboxError.

    `unsafe`: whether machines without a sandbox may do.
    """
    seconds = settings.command_seconds
    if settings.environment in CONTAINERS:
        owner = owner_of(home, batch)
        with container_of(play.task, owner, settings.network, settings.environment) as container:
            yield SandboxEnvironment(container, Path(), timeout=seconds), told_of(settings)
    elif settings.environment == "apptainer":
        with unpacked(play.task, settings.network) as box:
            yield SandboxEnvironment(box, Path(), timeout=seconds), told_of(settings)
    elif settings.environment == "modal":
        with on_modal(play.task, seconds) as environment:
            yield environment, told_of(settings)
    elif settings.environment == "sdist":
        prepare: Prepare = plugin(ENVIRONMENTS, "sdist").load()
        limits = Limits(
            memory_mb=SDIST_MEMORY_MB,
            file_mb=SDIST_FILE_MB,
            cpu_seconds=max(60, int(4 * seconds)),
        )
        with prepare(play.task, home) as prepared:
            sandbox = open_sandbox(unsafe, prepared.readonly)
            with sandbox.entered(prepared.tree, limits) as inside:
                environment = SandboxEnvironment(
                    inside, prepared.tree, timeout=seconds, env=prepared.env, limits=limits
                )
                yield environment, told_of(settings, prepared.command)
    else:
        with sandboxed(play, open_sandbox(unsafe), seconds, told_of(settings)) as scene:
            yield scene
