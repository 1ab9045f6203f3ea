"""Generation for many chats on one CPU core: nothing is padded, nothing is read twice."""

import hashlib
from collections.abc import Sequence
from typing import Any

from srft_assets.experiment.lanes import Lane, Reading, register_lanes
from srft_assets.rollouts.checkpoint import Checkpoint
from srft_assets.rollouts.generator import Answer, Prompt

PREFILL_TOKENS = 8192
"""Tokens of prompts that are read together."""


class LaneGenerator:
    """Answers as `rollouts.generator.Generator` does, and keeps each chat from turn to turn.

    A chat is known by `Prompt.name`; what its next prompt shares with what was read already is
    not read again. The checkpoint's model is changed: its attention is that of the lanes.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.checkpoint = checkpoint
        self.max_new_tokens = max_new_tokens
        self.temperature = temperature
        self.seed = seed
        self._lanes: dict[str, Lane] = {}
        checkpoint.model.set_attn_implementation(register_lanes())

    def forget(self, name: str) -> None:
        """The chat is over."""
        self._lanes.pop(name, None)

    def answer(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answers in the order of the prompts; names are distinct."""
        import torch

        lanes = [self._lanes.setdefault(prompt.name, Lane()) for prompt in prompts]
        said: list[list[int]] = [[] for _ in prompts]
        stopped = [False] * len(prompts)
        streams = [
            torch.Generator().manual_seed(stream_seed(self.seed, prompt)) for prompt in prompts
        ]
        with torch.inference_mode():
            playing = list(range(len(prompts)))
            scores = self._read_prompts(prompts, lanes)
            for count in range(1, self.max_new_tokens + 1):
                chosen = self._choose(scores, [streams[place] for place in playing])
                left = []
                for place, token in zip(playing, chosen, strict=True):
                    if token in self.checkpoint.stops:
                        stopped[place] = True
                    else:
                        said[place].append(token)
                        left.append(place)
                playing = left
                if not playing or count == self.max_new_tokens:
                    break
                scores = self._read([lanes[p] for p in playing], [said[p][-1:] for p in playing])
        decode = self.checkpoint.tokenizer.hf.decode
        return [
            Answer(decode(ids, skip_special_tokens=False), tuple(ids), stopped=end)
            for ids, end in zip(said, stopped, strict=True)
        ]

    def _read_prompts(self, prompts: Sequence[Prompt], lanes: Sequence[Lane]) -> Any:
        """Scores of the token after each prompt, (prompts, vocabulary)."""
        import torch

        new = [
            list(prompt.token_ids[lane.keep(prompt.token_ids) :])
            for prompt, lane in zip(prompts, lanes, strict=True)
        ]
        scores, start, tokens = [], 0, 0
        for end, ids in enumerate(new, start=1):
            tokens += len(ids)
            if tokens >= PREFILL_TOKENS or end == len(new):
                scores.append(self._read(lanes[start:end], new[start:end]))
                start, tokens = end, 0
        return torch.cat(scores)

    def _read(self, lanes: Sequence[Lane], new: Sequence[Sequence[int]]) -> Any:
        """Read the new tokens of each lane; scores of what follows their last."""
        import torch

        config = self.checkpoint.model.config
        shape = config.num_hidden_layers, config.num_key_value_heads, config.head_dim
        before = [len(lane.token_ids) for lane in lanes]
        places: list[int] = []
        for lane, ids, start in zip(lanes, new, before, strict=True):
            lane.make_room(start + len(ids), *shape)
            places += range(start, start + len(ids))
            lane.token_ids += ids
        lengths = [len(ids) for ids in new]
        hidden = self.checkpoint.model.model(
            input_ids=torch.tensor([[token for ids in new for token in ids]]),
            position_ids=torch.tensor([places]),
            use_cache=False,
            reading=Reading(lanes, before, lengths),
        ).last_hidden_state[0]
        last = hidden[torch.tensor(lengths).cumsum(0) - 1]
        return self.checkpoint.model.lm_head(last).float()

    def _choose(self, scores: Any, streams: Sequence[Any]) -> list[int]:
        """The likeliest token, or one sampled by a Gumbel maximum from each lane's own stream."""
        if self.temperature == 0:
            return scores.argmax(-1).tolist()
        import torch

        noise = torch.stack(
            [-torch.empty(scores.shape[1]).exponential_(generator=one).log() for one in streams]
        )
        return (scores / self.temperature + noise).argmax(-1).tolist()


def stream_seed(seed: int, prompt: Prompt) -> int:
    """Of the noise of one answer, as `rollouts.generator` has it: by chat and by place in it."""
    text = f"{seed}/{prompt.name}/{len(prompt.token_ids)}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])
