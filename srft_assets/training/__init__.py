"""Fine-tuning in a subprocess: TRL, transformers, peft."""
