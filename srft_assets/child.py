"""The environment of a heavy subprocess, set before torch and transformers are imported."""

import os

ENVIRONMENT = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OMP_WAIT_POLICY": "passive",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "WANDB_MODE": "disabled",
}
"""Threads that wait by spinning take a busy machine's cores from each other: with small models
a training beside other work was 4 to 9 times slower than with threads that sleep."""


def quiet(**more: str) -> None:
    """Set what the environment does not say already."""
    for name, value in {**ENVIRONMENT, **more}.items():
        os.environ.setdefault(name, value)
