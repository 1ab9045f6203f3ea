"""Making the base model: tokenizer, first weights, a short pretraining."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

from tools.base_model.model import BaseSettings, new_model, put_induction
from tools.base_model.texts import IGNORED, exploring_chats, packed_rows, tokenizer_texts
from tools.base_model.tokenizer import train_tokenizer

Report = Callable[[int, float], None]
"""Takes the step, from 1, and its loss in nats a token."""


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A base model. `final_loss` is the mean of the last tenth of the steps."""

    model: Any
    tokenizer: Any
    final_loss: float


def pretrain(settings: BaseSettings, report: Report) -> Pretrained:
    """Train tokenizer and model; equal settings give equal weights on one machine.

    Sets torch's global seed. The learning rate warms up over a tenth of the steps and falls to
    zero over the last third.
    """
    import torch

    rng = Random(settings.seed)
    chats = exploring_chats(settings, rng)
    texts = tokenizer_texts(settings, chats, rng)
    tokenizer = train_tokenizer(texts, settings.size.vocabulary)
    torch.manual_seed(settings.seed)
    model = new_model(settings.size, tokenizer)
    put_induction(model)
    model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    rows = packed_rows(settings, tokenizer, chats, rng)
    losses = []
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings.steps)
        loss = _loss(model, list(islice(rows, settings.batch_size)))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        report(step + 1, losses[-1])
    last = losses[-max(1, len(losses) // 10) :]
    return Pretrained(model, tokenizer, sum(last) / len(last))


def _schedule(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / max(1, steps // 10), (steps - step) / max(1, steps // 3))


def _loss(model: Any, rows: list[tuple[list[int], list[int]]]) -> Any:
    """Mean over the labelled tokens; only their logits are computed."""
    import torch

    ids = torch.tensor([row[0] for row in rows])
    labels = torch.tensor([row[1] for row in rows])[:, 1:]
    kept = labels != IGNORED
    hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[kept]), labels[kept])
