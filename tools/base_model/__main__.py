"""`python -m tools.base_model FOLDER`: make the base model there, by its recipe.

`--check` in the place of a folder makes it and compares it, byte for byte, with the shipped
one. Progress goes to standard output as JSON lines, `{"step": 3, "of": 200, "loss": 2.1}`.
"""

import shutil
import sys
import tempfile
import uuid
from pathlib import Path

import orjson

from srft_assets.errors import SrftError
from srft_assets.lab.base import FACTS, digests, shipped_facts
from srft_assets.processes.child import quiet
from tools.base_model.model import BaseSettings

USAGE = "usage: python -m tools.base_model FOLDER | --check"


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 failed or different, 2 wrong call."""
    if len(arguments) != 1 or (arguments[0].startswith("-") and arguments[0] != "--check"):
        sys.stderr.write(USAGE + "\n")
        return 2
    quiet(HF_HUB_OFFLINE="1")
    import torch

    # Sums depend on how they are split up: one thread gives the same bytes on any load.
    torch.set_num_threads(1)
    try:
        if arguments[0] == "--check":
            return _check()
        make_base_model(BaseSettings(), Path(arguments[0]))
    except (SrftError, OSError, ValueError) as error:
        sys.stderr.write(f"error: base model: {' '.join(str(error).split())}\n")
        return 1
    return 0


def make_base_model(settings: BaseSettings, folder: Path) -> None:
    """Weights, tokenizer and facts in `folder`, which appears whole or not at all."""
    from tools.base_model.pretrain import pretrain

    def report(step: int, loss: float) -> None:
        line = orjson.dumps({"step": step, "of": settings.steps, "loss": round(loss, 4)})
        sys.stdout.write(line.decode() + "\n")
        sys.stdout.flush()

    made = pretrain(settings, report)
    beside = folder.parent / f".{folder.name}.{uuid.uuid4().hex}.tmp"
    beside.mkdir(parents=True)
    try:
        made.model.save_pretrained(beside)
        made.tokenizer.save_pretrained(beside)
        facts = {
            "architecture": made.model.config.architectures[0],
            "parameters": made.model.num_parameters(),
            "vocabulary": len(made.tokenizer),
            "final_loss": made.final_loss,
            "settings": settings.model_dump(),
            "sha256": digests(beside),
        }
        (beside / FACTS).write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2) + b"\n")
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check() -> int:
    with tempfile.TemporaryDirectory() as beside:
        folder = Path(beside) / "base"
        make_base_model(BaseSettings(), folder)
        made, shipped = orjson.loads((folder / FACTS).read_bytes()), shipped_facts()
    differ = [name for name, wanted in shipped["sha256"].items() if made["sha256"][name] != wanted]
    if differ or made != shipped:
        sys.stderr.write(f"error: base model: differs in {', '.join(differ) or FACTS}\n")
        return 1
    sys.stdout.write("the recipe gives the shipped bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
