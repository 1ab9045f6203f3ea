"""A model behind an OpenAI-compatible API, asked by mini-swe-agent's own client."""

import logging
import os
from dataclasses import dataclass
from typing import Any

from srft_assets.agent.play import context_limit, prepare_mini, readable
from srft_assets.errors import SrftError
from srft_assets.rollouts.batch.prompts import reading_of
from srft_assets.rollouts.batch.settings import Price, RolloutSettings
from srft_assets.trajectories.model import Message

PROVIDER = "openai"
"""litellm's name for whatever speaks OpenAI's protocol."""
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is asked, and by what key.

    Attributes:
        model: litellm's name of it.
        api_key: None leaves it to litellm, which looks into the variable of the provider.
    """

    model: str
    base_url: str = ""
    api_key: str | None = None
    protocol: str = "text"
    price: Price | None = None
    timeout: float = 600.0


class EndpointModel:
    """mini-swe-agent's model protocol (2.4): its litellm model, given key and context limit.

    The key is handed over at each call, so that no run file holds it.
    """

    def __init__(self, endpoint: Endpoint, settings: RolloutSettings, seed: int) -> None:
        self._model = litellm_model(endpoint, settings, seed)
        self._key = {"api_key": endpoint.api_key} if endpoint.api_key else {}
        self._context = settings.context
        self._tokens = 0

    def __getattr__(self, name: str) -> Any:
        """All but `query` is mini-swe-agent's."""
        return getattr(self._model, name)

    def query(self, messages: list[Message], **kwargs: Any) -> Message:
        """One assistant message. Raises minisweagent's InterruptAgentFlow, which ends the run,
        where the chat is longer than the context that the settings or the server allow."""
        import litellm

        if self._context is not None and self._tokens > self._context:
            raise context_limit(self._tokens, self._context)
        try:
            message: Message = readable(self._model.query(messages, **self._key, **kwargs))
        except litellm.exceptions.ContextWindowExceededError:
            raise context_limit(self._tokens, self._context) from None
        usage = message.get("extra", {}).get("response", {}).get("usage") or {}
        self._tokens = usage.get("total_tokens") or 0
        return message


def litellm_model(endpoint: Endpoint, settings: RolloutSettings, seed: int) -> Any:
    """mini-swe-agent's model for the protocol, with templates, limits and prices."""
    prepare_litellm()
    from minisweagent.models.litellm_model import LitellmModel
    from minisweagent.models.litellm_textbased_model import LitellmTextbasedModel

    arguments: dict[str, Any] = {
        "drop_params": True,
        "temperature": settings.temperature,
        "seed": seed,
        "max_tokens": settings.max_new_tokens,
        "timeout": endpoint.timeout,
        # litellm would look for MCP tools in a package that is not among its requirements
        "_skip_mcp_handler": True,
    }
    if endpoint.base_url:
        arguments["api_base"] = endpoint.base_url
    _set_price(endpoint)
    made = LitellmTextbasedModel if endpoint.protocol == "text" else LitellmModel
    return made(
        model_name=endpoint.model,
        model_kwargs=arguments,
        cost_tracking="default" if settings.cost_limit else "ignore_errors",
        **reading_of(settings),
    )


def prepare_litellm() -> None:
    """Import litellm without the network (it would fetch a price list) and without its words."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ.setdefault("LITELLM_LOG", "ERROR")
    prepare_mini()
    import litellm

    litellm.suppress_debug_info = True
    logging.getLogger("litellm_model").setLevel(logging.ERROR)


def check_price(endpoint: Endpoint) -> None:
    """Raises SrftError where a cost limit could not be kept: nobody knows the model's price."""
    prepare_litellm()
    import litellm

    _set_price(endpoint)
    if endpoint.model not in litellm.model_cost and _bare(endpoint.model) not in litellm.model_cost:
        raise SrftError(
            f"no price of {endpoint.model} is known, so that no cost limit can be kept: state "
            "`price` (USD for a million tokens), or a cost limit of 0"
        )


def _bare(model: str) -> str:
    return model.partition("/")[2]


def _set_price(endpoint: Endpoint) -> None:
    if endpoint.price is None:
        return
    import litellm

    price = {
        "input_cost_per_token": endpoint.price.prompt / MILLION,
        "output_cost_per_token": endpoint.price.answer / MILLION,
        "litellm_provider": endpoint.model.partition("/")[0],
        "mode": "chat",
    }
    litellm.register_model({endpoint.model: price})
