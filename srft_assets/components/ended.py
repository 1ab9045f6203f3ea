"""How a run in this process ended."""

import dagster as dg

from srft_assets.components.asset import FAILED


def interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether the run ended by Ctrl-C, which Dagster takes for a failure of the step."""
    failures = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    return any(str(one.error_source).endswith("INTERRUPT") for one in failures)


def failures_of(result: dg.ExecuteInProcessResult) -> dict[str, str] | None:
    """Partition → reason, where the step says which of its partitions failed; else None."""
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.user_failure_data is not None:
            told = event.step_failure_data.user_failure_data.metadata.get(FAILED)
            if isinstance(told, dg.JsonMetadataValue) and isinstance(told.value, dict):
                return {str(name): str(reason) for name, reason in told.value.items()}
    return None


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """The reason of a failed run, in one line."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            told = event.step_failure_data.user_failure_data
            if told is not None and told.description:
                return told.description
            if error is not None:
                return (error.cause or error).message.strip()
    return "the run failed before its first step: see `srft` with --debug"
