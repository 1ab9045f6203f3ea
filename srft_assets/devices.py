"""What a training of this machine computes on: its GPUs, or its CPU and memory."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import orjson

SECONDS = 60.0
"""In which a driver, torch in a process of its own, or a daemon must answer."""
ASK = (
    "import json, torch; print(json.dumps([[p.name, p.total_memory] for p in "
    "map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))]))"
)


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, and the bytes of its memory."""

    name: str
    bytes: int


def torch_build() -> str | None:
    """The version of torch, whose end says what it was built for; None without torch."""
    try:
        return version("torch")
    except PackageNotFoundError:
        return None


def training_gpus() -> list[Device]:
    """The GPUs that torch sees, which `CUDA_VISIBLE_DEVICES` may choose; asked in a process of its
    own, as torch takes seconds and the device. Without torch, those of the driver."""
    build = torch_build()
    if build is None:
        return driver_gpus()
    if build.endswith("+cpu"):
        return []
    said = printed([sys.executable, "-c", ASK])
    return [Device(name, size) for name, size in orjson.loads(said or b"[]")]


def driver_gpus() -> list[Device]:
    """The GPUs that NVIDIA's driver shows; none without `nvidia-smi`."""
    if shutil.which("nvidia-smi") is None:
        return []
    asked = ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    lines = printed(["nvidia-smi", *asked]).decode(errors="replace").splitlines()
    named = [line.rpartition(", ") for line in lines if line.strip()]
    return [Device(name, int(mib) * 2**20) for name, _, mib in named if mib.strip().isdigit()]


def printed(argv: list[str]) -> bytes:
    """What a program printed; nothing where it failed, or did not end in time."""
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout if done.returncode == 0 else b""
