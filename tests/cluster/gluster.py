"""A real network file system: one GlusterFS volume (Debian, FUSE), mounted by two clients."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ADDRESS = "10.77.0.1"
"""On the loopback device; GlusterFS takes no address that begins with 127."""
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


def _until(*words: object) -> None:
    """Until it succeeds: the daemon takes seconds to listen."""
    end = time.monotonic() + 60
    while subprocess.run([*map(str, words)], capture_output=True, timeout=60).returncode:
        assert time.monotonic() < end, words
        time.sleep(0.5)


def _run(*words: object) -> None:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
