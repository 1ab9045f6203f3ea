"""Decoding that goes on from what is kept of each chat."""

from collections.abc import Callable, Sequence
from typing import Any

from srft_assets.rollouts.kept import Beginning, Kept, batch_cache, row_of

Choose = Callable[[Any, Sequence[int]], Any]
"""Next token ids, [rows], for logits [rows, vocabulary] and the places of these rows."""


class Lanes:
    """A batch of prompts while it is answered; a row leaves it when its answer is complete.

    A row is columns of cache: padding, what was kept, padding, what is new, the answer. `mask`
    says which columns hold tokens; positions count only those, so that padding in the middle
    changes nothing.
    """

    def __init__(
        self, model: Any, names: Sequence[str], prompts: Sequence[Sequence[int]], kept: Kept
    ) -> None:
        import torch

        self.model = model
        self.names = list(names)
        self.kept = kept
        self.tokens = [list(prompt) for prompt in prompts]
        beginnings = [kept.of(name) for name in names]
        lengths = [one.shared(ids) for one, ids in zip(beginnings, prompts, strict=True)]
        self.places = list(range(len(prompts)))
        held = max(lengths)
        fresh = [list(ids[length:]) for ids, length in zip(prompts, lengths, strict=True)]
        width = max(map(len, fresh))
        self.cache = batch_cache(beginnings, lengths, held)
        device = model.device
        self.mask = torch.zeros(len(prompts), held + width, dtype=torch.long)
        self.ids = torch.zeros(len(prompts), width, dtype=torch.long)
        for row, (ids, length) in enumerate(zip(fresh, lengths, strict=True)):
            self.mask[row, held - length : held] = 1
            self.mask[row, held + width - len(ids) :] = 1
            self.ids[row, width - len(ids) :] = torch.tensor(ids)
        self.mask, self.ids = self.mask.to(device), self.ids.to(device)

    def logits(self) -> Any:
        """Of the token after the last one, [rows, vocabulary]; the cache takes in what is new."""
        positions = (self.mask.cumsum(1) - 1).clamp(min=0)[:, -self.ids.shape[1] :]
        out = self.model(
            input_ids=self.ids,
            attention_mask=self.mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1]

    def say(self, chosen: Any) -> None:
        """Append one token a row."""
        import torch

        self.ids = chosen[:, None]
        self.mask = torch.cat([self.mask, torch.ones_like(self.ids)], 1)
        for place, token in zip(self.places, chosen.tolist(), strict=True):
            self.tokens[place].append(token)

    def drop(self, done: Sequence[int]) -> None:
        """Take complete rows out; what the model has read of them is kept."""
        import torch

        for row in done:
            place = self.places[row]
            columns = self.mask[row, : self.cache.get_seq_length()].nonzero()[:, 0]
            read = self.tokens[place][: len(columns)]
            self.kept.keep(self.names[place], Beginning(read, row_of(self.cache, row, columns)))
        stay = [row for row in range(len(self.places)) if row not in set(done)]
        if done and stay:
            rows = torch.tensor(stay, device=self.mask.device)
            self.cache.batch_select_indices(rows)
            self.mask, self.ids = self.mask[rows], self.ids[rows]
        self.places = [self.places[row] for row in stay]


def decode(
    lanes: Lanes, choose: Choose, stops: frozenset[int], max_new_tokens: int
) -> list[list[int]]:
    """The tokens after each prompt, in order; the stop token, where there is one, is the last."""
    starts = [len(tokens) for tokens in lanes.tokens]
    for _ in range(max_new_tokens):
        lanes.say(choose(lanes.logits(), lanes.places))
        said = [lanes.tokens[place][-1] for place in lanes.places]
        lanes.drop([row for row, token in enumerate(said) if token in stops])
        if not lanes.places:
            break
    lanes.drop(range(len(lanes.places)))
    return [tokens[start:] for tokens, start in zip(lanes.tokens, starts, strict=True)]
