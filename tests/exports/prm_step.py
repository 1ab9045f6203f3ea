"""One real step of TRL's PRMTrainer on an export, and the tokens that it makes of the rows.

python -m tests.exports.prm_step EXPORT MODEL OUT
"""

import json
import sys
from pathlib import Path


def main(export: str, model_folder: str, out: str) -> None:
    """As the card tells it, with a limit of one step."""
    from datasets import load_dataset
    from transformers import AutoModelForTokenClassification, AutoTokenizer
    from trl.experimental.prm import PRMConfig, PRMTrainer

    rows = load_dataset(export, split="train")
    words = AutoTokenizer.from_pretrained(model_folder)
    words.pad_token = words.eos_token
    model = AutoModelForTokenClassification.from_pretrained(model_folder, num_labels=2)
    lengths = {"step_separator": "", "max_length": None, "max_completion_length": None}
    options = {"max_steps": 1, "use_cpu": True, "bf16": False, "report_to": []}
    config = PRMConfig(f"{out}.trained", **lengths, **options)
    trainer = PRMTrainer(model, config, train_dataset=rows, processing_class=words)
    before = model.score.weight.detach().clone()
    read = trainer.train_dataset.to_list()
    trainer.train()
    told = {"rows": read, "moved": not before.equal(model.score.weight.detach())}
    Path(out).write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
