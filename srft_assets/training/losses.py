"""Losses of the tokens of a forward pass, without the logits of all positions.

It imports torch at once: only the training process imports this module.
"""

from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, one_hot
from transformers import EvalPrediction

from srft_assets.tokens.token_labels import IGNORED
from srft_assets.training.data import CODES


def loss_of_trained(model: Any, inputs: dict[str, Any], weights: Any) -> Any:
    """Summed negative log-likelihood of the trained tokens of one packed sequence.

    `weights`, of shape (1, tokens), or None: each counts 1. TRL projects every position on a
    CPU, which is most of the work where few are trained.
    """
    labels = inputs["labels"][0, 1:]
    kept = (labels != IGNORED).nonzero()[:, 0]
    rest = {name: value for name, value in inputs.items() if name != "labels"}
    logits = model(**rest, use_cache=False, logits_to_keep=kept).logits[0].float()
    if weights is None:
        return cross_entropy(logits, labels[kept], reduction="sum")
    losses = cross_entropy(logits, labels[kept], reduction="none")
    return (losses * weights[0, 1:][kept]).sum()


def weighted_loss(model: Any, inputs: dict[str, Any], weights: Any) -> Any:
    """The same for any layout. `weights` has the shape of the labels, (rows, tokens)."""
    # TRL gives the model this argument for itself and does not document it. Nothing public yields
    # the likelihood of each token without holding the logits of all, which a GPU has no room for.
    outputs = model(**inputs, use_cache=False, fused_lm_head=True)
    return -(outputs.log_probs * weights[:, 1:]).sum()


def sums_by_label(
    model: Any, inputs: dict[str, Any], weights: Any, steps: Any, sparse: bool
) -> tuple[Any, Any]:
    """Summed losses of the labelled tokens of a forward pass, and what they are to be divided by.

    Both are float64, of shape (1, 1 + labels): first by `weights`, then over the tokens of the
    steps of each label, which `steps` names by `CODES`. These two have the shape of
    `inputs["labels"]`. `sparse`: one packed sequence, of which only the positions that count are
    projected, as in `loss_of_trained`.
    """
    kept = inputs["labels"][:, 1:] != IGNORED
    if sparse:
        rest = {name: value for name, value in inputs.items() if name != "labels"}
        logits = model(**rest, use_cache=False, logits_to_keep=kept[0].nonzero()[:, 0]).logits[0]
        losses = cross_entropy(logits.float(), inputs["labels"][:, 1:][kept], reduction="none")
    else:
        losses = -model(**inputs, use_cache=False, fused_lm_head=True).log_probs[kept]
    of_label = one_hot(steps[:, 1:][kept].long(), 1 + len(CODES))[:, 1:]
    counted = torch.cat([weights[:, 1:][kept].double()[:, None], of_label.double()], dim=1)
    return (losses.double() @ counted)[None], counted.sum(0)[None]


def mean_losses(found: EvalPrediction) -> dict[str, float]:
    """`loss` as it is trained, and `loss_<label>` of labels with tokens; from all passes' sums."""
    sums, totals = (np.asarray(one).sum(0) for one in (found.predictions, found.label_ids))
    names = ["loss", *(f"loss_{label}" for label in CODES)]
    return {
        name: float(total / count)
        for name, total, count in zip(names, sums, totals, strict=True)
        if count
    }
