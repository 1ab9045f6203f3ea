"""What the YAML of a critic says."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from srft_assets.critic.verdict import Label

LABELS = (Label.GOOD, Label.UNNECESSARY, Label.MISTAKE, Label.RECOVER)
"""What a critic may answer; `unlabeled` is ours, for steps without a valid answer."""


class Strict(BaseModel):
    """A section in which a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Threshold(Strict):
    """`good_enough`: what agreement with gold labels the asset check asks for."""

    measure: Literal["f1", "f1_low", "kappa", "kappa_low"] = "f1_low"
    """`_low`: the lower end of the 95% interval."""
    at_least: float = Field(default=0.5, ge=-1, le=1)
    """Below it the check fails."""
    mask: Literal["mistake", "mistake+unnecessary"] = "mistake"
    """The keep/mask question that is asked."""
    min_labels: PositiveInt = 50
    """A set with fewer labelled and judged steps decides nothing."""
    sets: tuple[str, ...] = ("*",)
    """Shell patterns of gold sets."""
    severity: Literal["warn", "error"] = "warn"
    """Of the check."""


class RulesSpec(Strict):
    """The critic that needs no model."""

    kind: Literal["rules"] = "rules"
    description: str = ""
    good_enough: Threshold = Field(default_factory=Threshold)


class Sees(Strict):
    """What of the grading the critic may see. Each decides the prompt."""

    outcome: bool = True
    """The status of the run: resolved, unresolved, …"""
    failed_tests: bool = False
    """Names of the tests that failed."""
    gold_patch: bool = False
    """The reference solution: a leak, noted in the metadata of the verdicts."""


class Context(Strict):
    """How much of a run one call shows. Tokens are counted by `tokenizer`."""

    tokens: PositiveInt = 32_768
    """Tokens of one call, prompt and answer together: the model's context."""
    observation_tokens: PositiveInt = 1_000
    """A longer text of a step is cut in the middle, and what was cut is recorded."""
    task_tokens: PositiveInt = 4_000
    """The same for the task's statement."""
    tokenizer: str | None = None
    """A local `tokenizer.json` (or its folder) or a Hub id; without one, 3 bytes are a token."""


class Sampling(Strict):
    """How the model answers."""

    temperature: float = Field(default=0.0, ge=0.0)
    """0 is greedy."""
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    """The most likely tokens that together have this probability are drawn from."""
    seed: int | None = 0
    """Of the server's random numbers; null sends none."""
    max_tokens_per_step: PositiveInt = 80
    """The answer may take 64 tokens and so many for every step it labels."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further keys of the request's body, as the server wants them."""


class Endpoint(Strict):
    """Where the model is served. Nothing here decides what is answered, so nothing goes stale."""

    base_url: str | None = None
    """URL of an OpenAI-compatible API up to `/v1`; without one, `SRFT_CRITIC_URL`, or the server
    that the platform starts."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable of the key. It may be unset: local servers want none."""
    parameters: dict[str, str | None] = Field(default_factory=dict)
    """Keys of the request that the server takes under another name, or not at all (null):
    `{max_tokens: max_completion_tokens, seed: null}`. What it refuses is also learned."""
    concurrency: PositiveInt = 32
    """Calls under way at once, at most."""
    timeout: float = Field(default=600.0, gt=0)
    """Seconds for one attempt."""
    attempts: PositiveInt = 6
    """Tries of one call where the server or the network fails."""
    batch: bool = False
    """Send requests as files to the provider's batch API, at half the price and within a day; left
    open, `critic.batch` of the project."""
    batch_calls: int = Field(default=50_000, gt=0, le=50_000)
    """Requests of one batch at most."""
    max_calls: PositiveInt | None = None
    """Calls that one Dagster run may pay for; the next run goes on where it stopped."""
    max_tokens: PositiveInt | None = None
    """Tokens, prompt and answer, that one Dagster run may pay for."""
    usd_per_million_input: float = Field(default=0.0, ge=0)
    """Price of a million prompt tokens, in US dollars."""
    usd_per_million_output: float = Field(default=0.0, ge=0)
    """Price of a million tokens of answers."""
    batch_share: float = Field(default=0.5, ge=0, le=1)
    """What a call in a batch costs, as a share of these prices."""

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Price of so many tokens as they are asked, without discounts for what is cached."""
        paid = prompt_tokens * self.usd_per_million_input
        paid += completion_tokens * self.usd_per_million_output
        return paid * (self.batch_share if self.batch else 1) / 1_000_000


class LlmSpec(Strict):
    """A critic that asks a model. `prompt.md` lies beside the YAML."""

    kind: Literal["llm"]
    """Asks a model; `rules` asks none, and has `description` and `good_enough` only."""
    model: str = ""
    """As the server names it; left open, `critic.model` of the project."""
    description: str = ""
    """Shown on the pages of its assets."""
    judge: Literal["failed", "all"] = "failed"
    """`failed`: runs whose failure is the model's own."""
    reading: Literal["whole", "windows", "steps"] = "whole"
    """`whole`: one call a run, the paper's way. `windows`: as many calls as the context asks for.
    `steps`: one call a step."""
    too_long: Literal["windows", "unlabeled"] = "windows"
    """With `whole`, what becomes of a run beyond the context."""
    overlap: int = Field(default=4, ge=0)
    """Steps of context that a window shows before those it labels."""
    labels: Annotated[tuple[Label, ...], Field(min_length=1)] = LABELS
    """What it may answer."""
    reasons: bool = True
    """Whether the answer holds a short reason for each label."""
    answer_format: Literal["response_format", "structured_outputs", "prompt"] = "response_format"
    """How the JSON schema reaches the server: OpenAI's way, vLLM's, or not at all."""
    sees: Sees = Field(default_factory=Sees)
    """What of the grading it is told."""
    context: Context = Field(default_factory=Context)
    """How much of a run one call shows."""
    sampling: Sampling = Field(default_factory=Sampling)
    """How the model answers."""
    endpoint: Endpoint = Field(default_factory=Endpoint)
    """Where the model is served; makes nothing stale."""
    good_enough: Threshold = Field(default_factory=Threshold)
    """What agreement with gold labels the check of `critic_scores/<name>` asks for."""

    def deciding(self) -> dict[str, Any]:
        """The settings that decide verdicts, JSON-able, with dotted names."""
        others = {"kind", "description", "endpoint", "good_enough"}
        # Runs were left unlabeled before there was a choice.
        others |= {"too_long"} if self.reading != "whole" or self.too_long == "unlabeled" else set()
        return _flat(self.model_dump(mode="json", exclude=others))


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted names, so that a change is told by its name."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


CriticSpec = Annotated[RulesSpec | LlmSpec, Field(discriminator="kind")]
