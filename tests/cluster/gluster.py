"""A real network file system: one GlusterFS volume (Debian, FUSE), mounted by two clients."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ADDRESS = "10.77.0.1"
"""On the loopback device; GlusterFS takes no address that begins with 127."""
LINK, NEAR_END, FAR_END = "srft-far", "10.77.1.1", "10.77.1.2"
ABSENT = "GlusterFS needs root and: apt-get install glusterfs-server glusterfs-client"
PRESENT = os.geteuid() == 0 and bool(shutil.which("glusterd")) and Path("/dev/fuse").exists()
SETTINGS = """volume management
    type mgmt/glusterd
    option working-directory {folder}/work
    option transport-type socket
    option transport.socket.bind-address {address}
end-volume
"""
UNCACHED = "attribute-timeout=0,entry-timeout=0,negative-timeout=0"
CACHES = ("stat-prefetch", "quick-read", "open-behind")


@contextmanager
def mounted() -> Iterator[tuple[Path, Path]]:
    """The volume at two places, by two clients without caches of names and attributes."""
    with TemporaryDirectory(prefix="srft-gluster-") as held, ExitStack() as ends:
        folder = Path(held)
        for name in ("work", "brick", "a", "b"):
            (folder / name).mkdir()
        _run("ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo")
        ends.callback(_run, "ip", "address", "del", f"{ADDRESS}/32", "dev", "lo")
        settings = folder / "glusterd.vol"
        settings.write_text(SETTINGS.format(folder=folder, address=ADDRESS))
        log = folder / "glusterd.log"
        daemon = subprocess.Popen(["glusterd", "-N", "-f", settings, "-l", log])
        ends.callback(daemon.wait)
        ends.callback(daemon.terminate)
        volume = ("gluster", "--mode=script", "volume")
        _until(*volume, "info")
        _until(*volume, "create", "home", f"{ADDRESS}:{folder}/brick", "force")
        for cache in CACHES:
            _run(*volume, "set", "home", f"performance.{cache}", "off")
        _run(*volume, "start", "home")
        ends.callback(_run, *volume, "stop", "home", "force")
        places = folder / "a", folder / "b"
        for place in places:
            _until("mount", "-t", "glusterfs", "-o", UNCACHED, f"{ADDRESS}:/home", place)
            ends.callback(_run, "umount", "--lazy", place)
        yield places


@dataclass(frozen=True)
class Far:
    """A third client of the volume, behind a network of its own. `mount`: where it is seen."""

    mount: Path

    def cut(self) -> None:
        """No packet passes from now on."""
        _run("ip", "link", "set", LINK, "down")

    def mend(self) -> None:
        """Until the volume is seen there again."""
        _run("ip", "link", "set", LINK, "up")
        _until("ls", self.mount)


@contextmanager
def far() -> Iterator[Far]:
    """The volume of `mounted` at a third place."""
    with TemporaryDirectory(prefix="srft-far-") as held, ExitStack() as ends:
        _run("ip", "netns", "add", LINK)
        ends.callback(_run, "ip", "netns", "del", LINK)
        _run("ip", "link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", LINK)
        _run("ip", "address", "add", f"{NEAR_END}/30", "dev", LINK)
        _run("ip", "link", "set", LINK, "up")
        inside = ("ip", "-n", LINK)
        _run(*inside, "address", "add", f"{FAR_END}/30", "dev", "eth0")
        _run(*inside, "link", "set", "eth0", "up")
        _run(*inside, "route", "add", "default", "via", NEAR_END)
        there = ("nsenter", f"--net=/run/netns/{LINK}")
        _until(*there, "mount", "-t", "glusterfs", "-o", UNCACHED, f"{ADDRESS}:/home", held)
        ends.callback(_run, "umount", "--lazy", held)
        yield Far(Path(held))


def _until(*words: object) -> None:
    """Until it succeeds: the daemon takes seconds to listen."""
    end = time.monotonic() + 60
    while subprocess.run([*map(str, words)], capture_output=True, timeout=60).returncode:
        assert time.monotonic() < end, words
        time.sleep(0.5)


def _run(*words: object) -> None:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
