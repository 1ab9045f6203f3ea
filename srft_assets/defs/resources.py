"""What every run uses."""

import dagster as dg

from srft_assets.components.platform import Platform

defs = dg.Definitions(
    resources={"platform": Platform()},
    # Stages are heavy or tiny: the heavy ones start subprocesses of their own, and a process
    # for each of the tiny ones would cost more than they do.
    executor=dg.in_process_executor,
)
