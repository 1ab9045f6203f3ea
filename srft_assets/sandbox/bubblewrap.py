"""Commands inside bubblewrap: new namespaces, no network, nothing writable but the folder."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from srft_assets.sandbox.cgroups import command_cgroup, kept_by_cgroups
from srft_assets.sandbox.model import Completed, Limits, Sandbox, SandboxError, ShellSandbox
from srft_assets.sandbox.process import Watch, run_bounded, start
from srft_assets.sandbox.session import AGENT, Session, packing
from srft_assets.sandbox.shell import (
    base_interpreter,
    bounds_script,
    environment,
    filter_handle,
    filter_program,
    rlimit_counts,
    shell_argv,
)

TESTBED = "/testbed"
TOOLS = Path("/opt/tools")
ETC = Path(__file__).resolve().parent / "etc"
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
SYSTEM_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d")
NETWORK_ETC = ("resolv.conf", "hosts", "nsswitch.conf", "ssl", "ca-certificates", "pki")
ISOLATED = (
    *("--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000"),
    *("--disable-userns", "--hostname", "sandbox", "--die-with-parent", "--new-session"),
    *("--cap-drop", "ALL"),
)


HIDDEN = tuple(
    word
    for name in ("keys", "key-users", "kcore", "timer_list", "latency_stats", "sched_debug")
    if Path("/proc", name).exists()
    for word in ("--ro-bind", "/dev/null", f"/proc/{name}")
)
"""Files of /proc that tell of the machine."""


@dataclass
class BubblewrapSandbox(ShellSandbox):
    """A run enters a sandbox of its own (`entered`), or a single command gets one (`run`).

    Attributes:
        program: the `bwrap` executable.
        readonly: further folders that commands may read, at their own paths.
        installing: whether commands are installers, which reach the network, and see what it takes
            to do so and their folder at its own path too, where an environment must lie.

    Bounded by the kernel: CPU time, address space and file size of each process; /tmp and
    /dev/shm (tmpfs of `memory_mb`); the number of processes and threads (RLIMIT_NPROC, which does
    not bind root, and a pids cgroup) and all memory, where a memory cgroup can be made; the system
    calls, where libseccomp is installed; of a run, the size of its tree. By us, at looks 20 ms
    apart: wall time, output, growth of the folder of a single command, and without cgroups the
    resident memory of all and for root the number of processes. `bounds` says which hold on this
    machine. Not bounded: disk bandwidth, and what happens between two looks.
    """

    program: Path
    readonly: tuple[Path, ...] = ()
    installing: bool = False
    name: str = "bubblewrap"

    def _run(self, command: str, folder: Path, limits: Limits, env: Mapping[str, str]) -> Completed:
        variables = environment([TOOLS, base_interpreter()[1].parent], env)
        reader, writer = os.pipe()
        try:
            # A command before may have closed the folder to itself: no fault of the sandbox.
            folder.chmod(folder.stat().st_mode | 0o700)
            with (
                os.fdopen(writer, "wb", 0) as status_end,
                filter_handle() as calls,
                command_cgroup(limits.processes, limits.all_memory_mb) as cgroup,
            ):
                place = str(folder.resolve())
                bound = ["--json-status-fd", str(status_end.fileno()), "--bind", place, TESTBED]
                if self.installing:
                    bound += ["--share-net", "--bind", place, place]
                program = shell_argv(command, limits, own_namespace=True)
                argv = self._argv(program, bound, limits, variables, calls)
                given = [status_end.fileno(), *calls]
                done = run_bounded(
                    argv, limits=limits, workdir=folder, env={}, pass_fds=given, cgroup=cgroup
                )
            status = os.read(reader, 65536)
        except (OSError, ValueError) as error:
            raise SandboxError(f"the sandbox did not start: {error}") from error
        finally:
            os.close(reader)
        if done.stopped is None and b'"exit-code"' not in status:
            said = " ".join(done.output.split())[-300:]
            raise SandboxError(f"the sandbox did not start: {said}")
        return done

    @contextmanager
    def entered(self, workdir: Path, limits: Limits | None = None) -> Iterator[Sandbox]:
        """One sandbox, with a copy of `workdir` in memory; see `Sandbox.entered`."""
        with ExitStack() as held:
            try:
                session = self._started(held, workdir, limits or self.limits)
            except (OSError, ValueError) as error:
                raise SandboxError(f"the sandbox did not start: {error}") from error
            yield session

    def _started(self, held: ExitStack, workdir: Path, limits: Limits) -> Session:
        """A session whose folder is filled; `held` ends it, and all that it needs."""
        cgroup = held.enter_context(command_cgroup(limits.processes, limits.all_memory_mb))
        calls = held.enter_context(filter_handle())
        size = str(limits.disk_mb * 1024 * 1024)
        folder = ["--as-pid-1", "--size", size, "--perms", "0700", "--tmpfs", TESTBED]
        variables = environment([TOOLS, base_interpreter()[1].parent])
        (reader, status), (files, archive) = os.pipe(), os.pipe()
        packed = held.enter_context(os.fdopen(archive, "wb", 0))
        with os.fdopen(status, "wb", 0), os.fdopen(files, "rb", 0):
            script = bounds_script(limits, own_namespace=True)
            script += AGENT.format(files=files, status=status)
            argv = self._argv(["/bin/bash", "-c", script], folder, limits, variables, calls)
            given = [status, *calls, files]
            process = start(argv, cgroup, stdin=subprocess.PIPE, pass_fds=given)
        watch = Watch(process.pid, None, limits, cgroup)
        session = Session(process, reader, watch)
        held.callback(session.end)
        # The folder is packed while the sandbox is being set up.
        with packing(workdir, packed):
            session.begin()
        return session

    @property
    def bounds(self) -> list[str]:
        """What keeps processes, memory and system calls in bounds, for people."""
        kept = kept_by_cgroups()
        processes = "kept by RLIMIT_NPROC" if rlimit_counts() else ""
        processes = "kept by a pids cgroup" if "pids" in kept else processes
        return [
            f"processes {processes or 'only watched: this is root without a writable pids cgroup'}",
            "memory kept by a memory cgroup"
            if "memory" in kept
            else "memory only watched: no memory cgroup can be made here, so memfd, SysV shared "
            "memory, socket buffers and files in /tmp do not count",
            "system calls filtered"
            if filter_program()
            else "system calls not filtered: install libseccomp2",
        ]

    def _argv(
        self,
        program: Sequence[str],
        folder: Sequence[str],
        limits: Limits,
        variables: Mapping[str, str],
        calls: Sequence[int],
    ) -> list[str]:
        """`folder`: how /testbed is made. `calls`: where the filter of system calls is read."""
        sets = [word for pair in variables.items() for word in ("--setenv", *pair)]
        scratch = str(limits.memory_mb * 1024 * 1024)
        return [
            str(self.program),
            *ISOLATED,
            *("--clearenv", *sets, *self._system),
            *(word for handle in calls for word in ("--seccomp", str(handle))),
            *("--proc", "/proc", "--dev", "/dev", *HIDDEN),
            *("--size", scratch, "--perms", "1777", "--tmpfs", "/tmp"),
            *("--size", scratch, "--perms", "1777", "--tmpfs", "/dev/shm"),
            *self._shown,
            *(*folder, "--chdir", TESTBED),
            # Run by root, files of /proc/sys would belong to the sandboxed user.
            *("--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--"),
            *program,
        ]

    @cached_property
    def _system(self) -> list[str]:
        """Programs, libraries, and the few files of /etc that they need."""
        argv = ["--ro-bind", "/usr", "/usr", "--perms", "0755", "--dir", "/etc"]
        for name in SYSTEM:
            place = Path("/", name)
            if place.is_symlink():
                argv += ["--symlink", str(place.readlink()), str(place)]
            elif place.is_dir():
                argv += _bind(place)
        for file in sorted(ETC.iterdir()):
            argv += ["--ro-bind", str(file), f"/etc/{file.name}"]
        for name in (*SYSTEM_ETC, *(NETWORK_ETC if self.installing else ())):
            argv += _bind(Path("/etc", name)) if Path("/etc", name).exists() else []
        return argv

    @cached_property
    def _shown(self) -> list[str]:
        """Python and the `readonly` folders; after /tmp, since they may lie below it."""
        argv: list[str] = []
        prefix, program = base_interpreter()
        for folder in (prefix, *self.readonly):
            argv += [] if folder.is_relative_to("/usr") else _bind(folder)
        for name in ("python", "python3"):
            argv += ["--symlink", str(program), str(TOOLS / name)]
        return argv


def _bind(folder: Path) -> Sequence[str]:
    return ["--ro-bind", str(folder.resolve()), str(folder)]
