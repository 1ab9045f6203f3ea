"""What every run uses."""

import dagster as dg

from srft_assets.components.platform import Platform
from srft_assets.components.server import critic_server

defs = dg.Definitions(
    resources={"platform": Platform(critic_server=critic_server())},
    # Stages are heavy or tiny: the heavy ones start subprocesses of their own, and a process
    # for each of the tiny ones would cost more than they do. A step that made some of its
    # partitions fails at its end, and what is behind the good ones is made all the same.
    executor=dg.in_process_executor.configured(
        {"step_dependency_config": {"require_upstream_step_success": False}}
    ),
)
