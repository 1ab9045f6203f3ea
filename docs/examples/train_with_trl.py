import sys

import torch
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

folder, model, output = sys.argv[1:]
rows = load_dataset(folder, split="train")
config = SFTConfig(output, max_length=None, num_train_epochs=3, bf16=torch.cuda.is_available())
trainer = SFTTrainer(model, config, train_dataset=rows)
trainer.train()
trainer.save_model()
