"""The processes of one training: which of them this is, and what the first tells the others."""

import os
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ranks:
    """The processes that train one model together.

    Attributes:
        rank: number of this process; the first writes, reports and decides.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def agree(self, value: T) -> T:
        """What the first process holds; all of them must call it, in the same order."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        (agreed,) = broadcast_object_list([value])
        return agreed

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()


def this_rank() -> Ranks:
    """As torchrun and accelerate tell it in the environment; alone where nothing does."""
    return Ranks(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def join() -> Ranks:
    """Meet the other processes: NCCL on GPUs, gloo on a CPU."""
    ranks = this_rank()
    if ranks.count > 1:
        import torch
        from accelerate import PartialState

        PartialState(cpu=not torch.cuda.is_available())
    return ranks
