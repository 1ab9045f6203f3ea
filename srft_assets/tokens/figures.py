"""What the page of `masked_tokens/<arm>` says of a batch."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from srft_assets.refusal import Refusal
from srft_assets.tokens.row import MaskedRow

STEP = re.compile(r"\b(step|message) \d+")


def figures(rows: Sequence[MaskedRow], refused: Sequence[Refusal]) -> dict[str, Any]:
    """Runs and tokens: with loss, masked, context; and why runs were refused, by reason."""
    trained, masked = sum(r.n_trained for r in rows), sum(r.n_masked for r in rows)
    tokens = sum(row.n_tokens for row in rows)
    with_loss = {row.trajectory_id for row in rows if row.n_trained}
    runs = {row.trajectory_id for row in rows}
    found: dict[str, Any] = {
        "runs": len(runs),
        "runs_refused": len(refused),
        "runs_without_a_trained_token": len(runs - with_loss),
        "tokens": tokens,
        "tokens_trained": trained,
        "tokens_masked": masked,
        "tokens_context": tokens - trained - masked,
        "masked_share": masked / (trained + masked) if trained + masked else 0.0,
    }
    return found | ({"refused_because": by_reason(refused)} if refused else {})


def by_reason(refused: Sequence[Refusal]) -> dict[str, int]:
    """How often each reason was given, most often first, whatever the step or message."""
    return dict(Counter(STEP.sub(r"\1 …", one.reason) for one in refused).most_common())
