"""Generation of many answers at once with one checkpoint."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from srft_assets.rollouts.checkpoint import Checkpoint
from srft_assets.rollouts.decoding import Lanes, decode
from srft_assets.rollouts.kept import Kept, can_keep


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question to the model.

    Attributes:
        name: whose it is; answers are sampled from a stream of its own, named by this.
        token_ids: the rendered chat with the generation prompt.
    """

    name: str
    token_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said. `stopped` is False where it ran into the token limit."""

    text: str
    token_ids: tuple[int, ...]
    stopped: bool


@dataclass(frozen=True, slots=True)
class Generator:
    """Greedy (temperature 0) or seeded sampling; an answer does not depend on its neighbours.

    Attributes:
        max_new_tokens: bound of one answer.
        temperature: 0 is greedy.
        seed: of the sampling streams.
        batch_size: prompts generated together at most.
        reuse: whether the next prompt of a name goes on from what was computed for the one
            before, as far as both begin alike; not with models that cannot (`can_keep`).
    """

    checkpoint: Checkpoint
    max_new_tokens: int = 128
    temperature: float = 0.0
    seed: int = 0
    batch_size: int = 64
    reuse: bool = False
    kept: Kept = field(default_factory=Kept, repr=False)

    def answer(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answers in the order of the prompts. Prompts of like length go together."""
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place].token_ids))
        answers: dict[int, Answer] = {}
        generate = self._go_on if self.reuse and can_keep(self.checkpoint.model) else self._generate
        for start in range(0, len(order), self.batch_size):
            places = order[start : start + self.batch_size]
            rows = generate([prompts[place] for place in places])
            answers.update(zip(places, rows, strict=True))
        return [answers[place] for place in range(len(prompts))]

    def _generate(self, prompts: list[Prompt]) -> list[Answer]:
        import torch

        pad = self.checkpoint.stops[0]
        width = max(len(prompt.token_ids) for prompt in prompts)
        ids = torch.full((len(prompts), width), pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt.token_ids) :] = torch.tensor(prompt.token_ids)
            mask[row, width - len(prompt.token_ids) :] = 1
        device = self.checkpoint.model.device
        with torch.inference_mode():
            out = self.checkpoint.model.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                max_new_tokens=self.max_new_tokens,
                do_sample=False,
                eos_token_id=list(self.checkpoint.stops),
                pad_token_id=pad,
                logits_processor=self._sampling(prompts),
            )
        return [self._cut(row) for row in out[:, width:].tolist()]

    def _go_on(self, prompts: list[Prompt]) -> list[Answer]:
        import torch

        streams = self._streams(prompts)

        def choose(logits: Any, places: Sequence[int]) -> Any:
            if streams:
                logits = self._perturbed(logits.float(), [streams[place] for place in places])
            return logits.argmax(-1)

        with torch.inference_mode():
            lanes = Lanes(
                self.checkpoint.model,
                [prompt.name for prompt in prompts],
                [prompt.token_ids for prompt in prompts],
                self.kept,
            )
            stops = frozenset(self.checkpoint.stops)
            rows = decode(lanes, choose, stops, self.max_new_tokens)
        return [self._cut(row) for row in rows]

    def _cut(self, row: list[int]) -> Answer:
        """The answer up to its first stop token, which is left out of the text."""
        stops = set(self.checkpoint.stops)
        end = next((place for place, token in enumerate(row) if token in stops), None)
        kept = row if end is None else row[:end]
        text = self.checkpoint.tokenizer.hf.decode(kept, skip_special_tokens=False)
        return Answer(text, tuple(kept), stopped=end is not None)

    def _sampling(self, prompts: list[Prompt]) -> list[Any]:
        """Sampling as transformers wants it: a change of the logits before the argmax."""
        streams = self._streams(prompts)
        return [lambda _ids, scores: self._perturbed(scores, streams)] if streams else []

    def _streams(self, prompts: list[Prompt]) -> list[Any]:
        """A stream of noise for each prompt; none where the choice is greedy."""
        if self.temperature == 0:
            return []
        import torch

        return [
            torch.Generator().manual_seed(_stream_seed(self.seed, prompt)) for prompt in prompts
        ]

    def _perturbed(self, scores: Any, streams: Sequence[Any]) -> Any:
        """Logits plus Gumbel noise, one stream a row: its argmax is a sample.

        (Gumbel-max trick.) So a sampled answer is the same alone and in any batch.
        """
        import torch

        noise = torch.stack(
            [-torch.empty(scores.shape[1]).exponential_(generator=s).log() for s in streams]
        )
        return scores / self.temperature + noise.to(scores.device)


def _stream_seed(seed: int, prompt: Prompt) -> int:
    text = f"{seed}/{prompt.name}/{len(prompt.token_ids)}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])
