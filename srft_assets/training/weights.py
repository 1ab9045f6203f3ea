"""Loss by weight of the token: what TRL has no notion of."""

from collections.abc import Callable, Sequence
from typing import Any

from srft_assets.tokens.row import IGNORED

WEIGHTS = "weights"
"""Key of the loss weights in rows and batches: float32, shaped like `labels`."""


def with_weights(collate: Callable[[list[dict[str, Any]]], Any]) -> Callable[..., Any]:
    """The collator, which also lays out the weights of rows that have some, as it does labels."""

    def collated(rows: list[dict[str, Any]]) -> Any:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        batch = collate(rows)
        if WEIGHTS in rows[0]:
            weights = [torch.tensor(row[WEIGHTS], dtype=torch.float32) for row in rows]
            packed = batch["labels"].shape[0] < len(rows)
            laid = torch.cat(weights)[None] if packed else pad_sequence(weights, batch_first=True)
            batch[WEIGHTS] = laid
        return batch

    return collated


def total_weight(batches: Sequence[Any]) -> Any:
    """The sum of the weights of all tokens that are predicted, over the batches."""
    return sum(batch[WEIGHTS][:, 1:].sum() for batch in batches)


def real_tokens(inputs: dict[str, Any]) -> int:
    """Tokens of a batch, padding left out; of one process."""
    mask = inputs.get("attention_mask")
    return inputs["input_ids"].numel() if mask is None else int(mask.sum())


def loss_of_trained(model: Any, inputs: dict[str, Any], weights: Any, total: Any) -> Any:
    """Negative log-likelihood of the trained tokens of one packed sequence, over `total`.

    `weights`, of shape (1, tokens), or None: each counts 1. TRL projects every position on a
    CPU, which is most of the work where few are trained.
    """
    from torch.nn.functional import cross_entropy

    labels = inputs["labels"][0, 1:]
    kept = (labels != IGNORED).nonzero()[:, 0]
    rest = {name: value for name, value in inputs.items() if name != "labels"}
    logits = model(**rest, use_cache=False, logits_to_keep=kept).logits[0].float()
    if weights is None:
        return cross_entropy(logits, labels[kept], reduction="sum") / total
    losses = cross_entropy(logits, labels[kept], reduction="none")
    return (losses * weights[0, 1:][kept]).sum() / total


def weighted_loss(model: Any, inputs: dict[str, Any], weights: Any, total: Any) -> Any:
    """The same for any layout, through TRL's fused head, which never holds all logits.

    `weights` has the shape of the labels, (rows, tokens).
    """
    outputs = model(**inputs, use_cache=False, fused_lm_head=True)
    return -(outputs.log_probs * weights[:, 1:]).sum() / total
