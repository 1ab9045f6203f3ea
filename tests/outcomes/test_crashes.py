"""Which ends of a run are a crash, and which are the model's own."""

import pytest

from srft_assets.outcomes.status import is_crash

CRASHED = [
    "ServiceUnavailableError",
    "litellm.exceptions.ServiceUnavailableError",
    "ServiceUnavailableError: down",
    "litellm.InternalServerError: litellm.BadRequestError: no (reason)",
    "IndexError",
    "exit_error",
    "submitted (exit_error)",
    "submitted (exit_api)",
    "submitted (exit_environment_error)",
]
OWN = [
    "Submitted",
    "submitted",
    "submitted (exit_cost)",
    "submitted (exit_format)",
    "LimitsExceeded",
    "FormatError",
    "minisweagent.exceptions.RepeatedFormatError",
    "litellm.exceptions.ContextWindowExceededError",
    "ContextWindowExceededError: litellm.BadRequestError: too long",
    "LLMContextWindowExceedError",
    "AgentStuckInLoopError: Agent got stuck in a loop",
    "FunctionCallValidationError",
    "BudgetExceededError",
    "InstanceCostLimitExceededError",
    "RuntimeError: Agent reached maximum iteration in headless mode. Current iteration: 30",
    "",
    None,
]


@pytest.mark.parametrize("ended", CRASHED)
def test_a_server_or_a_machine_ended_it(ended: str) -> None:
    assert is_crash(ended)


@pytest.mark.parametrize("ended", OWN)
def test_the_model_or_a_limit_ended_it(ended: str | None) -> None:
    assert not is_crash(ended)
