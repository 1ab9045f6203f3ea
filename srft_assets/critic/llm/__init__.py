"""The critic that asks a model: prompt and runs in, verdicts out, every answer paid for once."""
