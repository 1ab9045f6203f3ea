"""`srft_assets.training.main` whose accelerate shards on a CPU too, which it does on GPUs only.

It does for the gloo processes what `AcceleratorState` does for those of GPUs; all the rest,
FSDP2's sharding and gathering too, is that of the libraries. Tells what it shards.
"""

import sys
from typing import Any

import torch.distributed.fsdp
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType

from srft_assets.training.main import main

state_of = AcceleratorState.__init__
shard = torch.distributed.fsdp.fully_shard


def sharding_state(
    self: AcceleratorState, *given: Any, fsdp_plugin: Any = None, **more: Any
) -> None:
    state_of(self, *given, fsdp_plugin=fsdp_plugin, **more)
    if fsdp_plugin is not None:
        self.distributed_type = DistributedType.FSDP
        PartialState._shared_state["distributed_type"] = DistributedType.FSDP
        if self.mixed_precision != "no":
            fsdp_plugin.set_mixed_precision(self.mixed_precision)
        self.fsdp_plugin = fsdp_plugin


def telling_shard(module: Any, *given: Any, **more: Any) -> Any:
    sys.stdout.write(f"\nsharded {type(module).__name__}\n")
    return shard(module, *given, **more)


AcceleratorState.__init__ = sharding_state  # type: ignore[method-assign]  # the point of this file
torch.distributed.fsdp.fully_shard = telling_shard

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
