"""The model of a batch: behind an OpenAI-compatible API, served by our vLLM, or loaded here."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from srft_assets.agent.play import Play, context_limit, prepare_mini, readable
from srft_assets.critic.failures import LENGTH
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.rollouts.checkpoint import ends_of_turns, load_checkpoint
from srft_assets.rollouts.settings import (
    EndpointModel,
    LocalModel,
    RolloutSettings,
    ServedModel,
    reading_of,
)
from srft_assets.serving.server import serve
from srft_assets.tokens.tokenizer import load_tokenizer
from srft_assets.training.model import base_digest
from srft_assets.trajectories.model import Message

PROVIDER = "openai"
"""litellm's name for whatever speaks OpenAI's protocol."""
MILLION = 1_000_000
NO_KEY = "srft-no-key"
"""For servers that want none; the client always does."""


class Models(Protocol):
    """Gives each play its model."""

    @property
    def secrets(self) -> Sequence[str]:
        """Texts that no run file may hold."""

    def waves(self, plays: Sequence[Play]) -> Iterator[Sequence[Play]]:
        """The plays in groups that begin together; one must be over before the next begins."""

    def model(self, play: Play) -> AbstractContextManager[Any]:
        """The model of a play, for as long as it is played."""


@dataclass(frozen=True, slots=True)
class AskedModels:
    """Models that are asked over HTTP, each play for itself and at any time.

    `key`: None leaves it to litellm, which looks into the variable of the provider. `stops`: ids of
    tokens at which the server is told to stop, which only vLLM takes.
    """

    endpoint: EndpointModel
    key: str | None
    settings: RolloutSettings
    stops: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """As litellm names it."""
        return f"{PROVIDER}/{self.endpoint.name}" if self.endpoint.base_url else self.endpoint.name

    @property
    def secrets(self) -> Sequence[str]:
        """The key."""
        return (self.key,) if self.key and self.key != NO_KEY else ()

    def waves(self, plays: Sequence[Play]) -> Iterator[Sequence[Play]]:
        """All at once."""
        yield plays

    def model(self, play: Play) -> AbstractContextManager[Any]:
        """A client of its own; attempts ask with seeds of their own."""
        return nullcontext(AskedModel(self, self.settings.seed + play.attempt))


@contextmanager
def opened(
    settings: RolloutSettings, home: Home, log: Path, tell: Callable[[str], None]
) -> Iterator[Models]:
    """The model, ready to play; a server of ours ends with it. Raises SrftError."""
    model = settings.model
    if isinstance(model, EndpointModel):
        asked = AskedModels(model, key_of(model), settings)
        if settings.cost_limit:
            check_price(asked)
        yield asked
    elif isinstance(model, ServedModel):
        if settings.cost_limit:
            raise SrftError("a model that vLLM serves here has no price: cost_limit must be 0")
        adapters = dict.fromkeys(model.server.lora_modules.values(), model.adapter_digest)
        for folder, weights in {model.server.model: model.weights, **adapters}.items():
            if weights:
                check_weights(folder, Path(folder), weights)
        with serve(model.server, log, tell) as served:
            endpoint = EndpointModel(
                name=model.name or served.models[0],
                base_url=served.base_url,
                protocol=model.protocol,
                timeout=model.timeout,
            )
            yield AskedModels(endpoint, served.api_key, settings, ends_of(model.server.model))
    else:
        yield local_models(model, settings, home)


def key_of(model: EndpointModel) -> str | None:
    """The key it is asked by. Raises SrftError where the variable that shall hold it is not set."""
    key = os.environ.get(model.api_key_env) if model.api_key_env else None
    if model.api_key_env and not key:
        raise SrftError(f"the variable {model.api_key_env}, which shall hold the key, is not set")
    return key or (NO_KEY if model.base_url else None)


def ends_of(model: str) -> tuple[int, ...]:
    """Where the template of a folder or of a Hub id ends a turn, which the files of a base do not
    say; none where nobody can tell."""
    try:
        return ends_of_turns(load_tokenizer(model)) if "/" in model else ()
    except SrftError:
        return ()


def local_models(model: LocalModel, settings: RolloutSettings, home: Home) -> Models:
    """A checkpoint in this process. Raises SrftError as `check_weights`."""
    from srft_assets.rollouts.batcher import LocalModels
    from srft_assets.rollouts.generator import Generator

    folder = home.root / model.path
    check_weights(model.label, folder, model.weights)
    generator = Generator(
        load_checkpoint(folder), settings.max_new_tokens, settings.temperature, settings.seed
    )
    return LocalModels(
        generator,
        model.label,
        settings.workers,
        context=settings.context,
        reading=reading_of(settings),
    )


def check_weights(name: str, folder: Path, weights: str) -> None:
    """Raises SrftError where the folder is gone, or holds other weights than were registered."""
    if not folder.is_dir():
        raise SrftError(f"the model {name} is gone: there is no folder {folder}")
    if base_digest(folder) != weights:
        raise SrftError(f"{folder} holds other weights than when the batch was registered")


class AskedModel:
    """mini-swe-agent's model protocol (2.4): its litellm model, given key and context limit.

    The key is handed over at each call, so that no run file holds it.
    """

    def __init__(self, asked: AskedModels, seed: int) -> None:
        self._model = litellm_model(asked, seed)
        self._model._query = answering(self._model._query)  # within mini-swe-agent's own retries
        self._key = {"api_key": asked.key} if asked.key else {}
        self._context = asked.settings.context
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


class NoAnswerError(SrftError):
    """What a server sent in the place of the model's answer; another attempt may bring one."""


def answering(ask: Callable[..., Any]) -> Callable[..., Any]:
    """The call, which raises NoAnswerError where its response holds no answer of the model, and
    litellm's ContextWindowExceededError also in the words that litellm does not know."""
    import litellm

    def query(messages: list[Message], **kwargs: Any) -> Any:
        try:
            response = ask(messages, **kwargs)
        except litellm.exceptions.BadRequestError as error:
            if not LENGTH.search(str(error)):
                raise
            raise litellm.exceptions.ContextWindowExceededError(
                error.message, error.model, error.llm_provider
            ) from None
        if missing := missing_answer(response):
            raise NoAnswerError(missing)
        return response

    return query


def missing_answer(response: Any) -> str:
    """Why a litellm response holds no answer of the model; empty where it does.

    As for critics (`critic.calls.says_nothing`), a server's error and an empty choice are none; nor
    is one that a filter withheld: the run would end by what the provider thinks of it. What a model
    thought, refused or was cut at is its own.
    """
    if not response.choices:
        return "the answer holds no choice"
    choice = response.choices[0]
    message, stated = choice.message, choice.message.provider_specific_fields or {}
    if choice.finish_reason == "content_filter":
        return "a content filter withheld the answer"
    thought = getattr(message, "reasoning_content", None)
    said = message.content or message.tool_calls or thought or stated.get("refusal")
    if said or choice.finish_reason == "length":
        return ""
    usage = getattr(response, "usage", None)
    if message.content is None or not (usage and usage.completion_tokens):
        return "the answer holds neither text nor a call"
    return ""


def litellm_model(asked: AskedModels, seed: int) -> Any:
    """mini-swe-agent's model for the protocol, with templates, limits and prices."""
    endpoint, settings = asked.endpoint, asked.settings
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
    if asked.stops:
        arguments["extra_body"] = {"stop_token_ids": list(asked.stops)}
    _set_price(asked)
    made = LitellmTextbasedModel if endpoint.protocol == "text" else LitellmModel
    return made(
        model_name=asked.name,
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


def check_price(asked: AskedModels) -> None:
    """Raises SrftError where a cost limit could not be kept: nobody knows the model's price."""
    prepare_litellm()
    import litellm

    _set_price(asked)
    if not {asked.name, asked.name.partition("/")[2]} & litellm.model_cost.keys():
        raise SrftError(
            f"no price of {asked.name} is known, so that no cost limit can be kept: state "
            "`price` (USD for a million tokens), or a cost limit of 0"
        )


def _set_price(asked: AskedModels) -> None:
    import litellm

    if stated := asked.endpoint.price:
        price = {
            "input_cost_per_token": stated.prompt / MILLION,
            "output_cost_per_token": stated.answer / MILLION,
            "litellm_provider": asked.name.partition("/")[0],
            "mode": "chat",
        }
        litellm.register_model({asked.name: price})
