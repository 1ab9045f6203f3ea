"""How the tiny base model is made."""

from pydantic import BaseModel, ConfigDict

from srft_assets.lab.base_model import Size


class BaseSettings(BaseModel):
    """Everything that decides the weights, besides code. The defaults give the shipped model."""

    model_config = ConfigDict(extra="forbid")

    size: Size = Size()
    seed: int = 0
    """Of weights, drills and the order of texts."""
    task_seed: int = 70_001
    """Of the tasks behind the exploring chats; neither training nor held-out tasks have it."""
    tasks: int = 240
    """Tasks that are explored, a chat each; a third of them are shown mended."""
    explore: float = 0.3
    """Share of exploring chats among the texts; the others are drills."""
    steps: int = 480
    batch_size: int = 8
    """Packed rows of one optimizer step."""
    row_tokens: int = 512
    learning_rate: float = 2e-3
