"""`python -m srft_assets.lab.base_main settings.json folder`: make the base model there.

Progress goes to standard output as JSON lines, `{"step": 3, "of": 200, "loss": 2.1}`.
"""

import shutil
import sys
import uuid
from pathlib import Path

import orjson

from srft_assets.child import quiet
from srft_assets.errors import SrftError
from srft_assets.lab.base_settings import BaseSettings

FACTS = "facts.json"
"""What the folder says of its model: the columns of its row but name and path."""

USAGE = "usage: python -m srft_assets.lab.base_main settings.json folder"


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 failed, 2 wrong call."""
    if len(arguments) != 2:
        sys.stderr.write(USAGE + "\n")
        return 2
    quiet(HF_HUB_OFFLINE="1")
    try:
        settings = BaseSettings.model_validate_json(Path(arguments[0]).read_bytes())
        make_base_model(settings, Path(arguments[1]))
    except (SrftError, OSError, ValueError) as error:
        sys.stderr.write(f"error: base model: {' '.join(str(error).split())}\n")
        return 1
    return 0


def make_base_model(settings: BaseSettings, folder: Path) -> None:
    """Weights, tokenizer and facts in `folder`, which appears whole or not at all."""
    from srft_assets.lab.base_pretrain import pretrain

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
            "seconds": made.seconds,
        }
        (beside / FACTS).write_bytes(orjson.dumps(facts))
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
