"""What critics cost, and what they may: budgets that hold over runs, processes and hosts.

They are counted from the answers in the database.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from srft_assets.critic.budget import Budget, Limits, Spent, bounds, left, today
from srft_assets.critic.calls import Reply
from srft_assets.critic.failures import GO_ON
from srft_assets.critic.prompt.text import tokens_of
from srft_assets.critic.spec import Endpoint, LlmSpec
from srft_assets.database.read import read_rows
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.project.folder import component_files
from srft_assets.project.settings import Price, Settings, settings
from srft_assets.project.yaml_files import parsed, read_yaml
from srft_assets.warehouse.stage import Allowance

NIGHTLY = "relabel_nightly"
"""The schedule that has a budget of its own for each day."""
AUTOMATION = "automation"
"""The sensor that makes assets of themselves, out of the same budget."""
MILLION = 1_000_000

PAID = {
    "a": """
SELECT a.critic, a.model, count(*), sum(a.prompt_tokens), sum(a.completion_tokens)
FROM answers AS a
WHERE a.at >= :since AND NOT EXISTS (SELECT 1 FROM job_calls AS c WHERE c.key = a.key)""",
    "j": """
SELECT j.critic, a.model, count(*), sum(a.prompt_tokens), sum(a.completion_tokens)
FROM jobs AS j JOIN job_calls AS c ON c.job = j.id JOIN answers AS a ON a.key = c.key
WHERE j.at >= :since""",
    "k": """
SELECT k.critic, k.model, count(*), sum(c.prompt_tokens), sum(c.completion_tokens)
FROM jobs AS k JOIN job_calls AS c ON c.job = k.id
WHERE k.at >= :since AND k.state <> 'read'
AND NOT EXISTS (SELECT 1 FROM answers AS a WHERE a.key = c.key)""",
}
"""What was paid for, by the table that names the critic: one by one, in batches of a provider, in
those under way."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What tokens cost, by critic and model.

    Attributes:
        stated: `prices:` of `srft.yaml`, by model.
        critics: of each critic the model that it asks for, and the price of its own endpoint,
            None where that states none.
    """

    stated: Mapping[str, Price]
    critics: Mapping[str, tuple[str, Price | None]] = field(default_factory=dict)

    def of(self, critic: str, model: str) -> Price | None:
        """The price of a model that answered the critic; one that no name fits costs what the
        critic asked for. None where neither is known."""
        asked, own = self.critics.get(critic, ("", None))
        known = {**self.stated, **({asked: own} if own else {})}
        return price_of(model, known) or price_of(asked, known)


def spent(home: Home, prices: Prices, critic: str | None = None, since: str = "") -> Spent:
    """What answers cost: those of one critic or of all, since a time (ISO 8601, UTC) or ever.

    Calls of a provider's batch cost its share of the price, and count from when they were reserved
    for it; until they are answered, at their estimate. What has no price costs nothing.
    """
    chosen = {"since": since} | ({"critic": critic} if critic is not None else {})
    total = Spent()
    for table, query in PAID.items():
        mine = f" AND {table}.critic = :critic" if critic is not None else ""
        rows = read_rows(home, f"{query}{mine} GROUP BY 1, 2", **chosen)
        for asker, model, calls, *tokens in rows:
            prompt, answer = map(int, tokens)  # PostgreSQL's sums are decimals
            price = prices.of(_text(asker), _text(model)) or Price()
            usd = (prompt * price.input + answer * price.output) / MILLION
            usd *= 1 if table == "a" else price.batch
            total = Spent(total.calls + calls, total.tokens + prompt + answer, total.usd + usd)
    return total


def under_way(home: Home) -> dict[str, int]:
    """Critic → calls in batches of a provider that are not read yet."""
    rows = read_rows(home, f"{PAID['k']} GROUP BY 1, 2", since="")
    calls: Counter[str] = Counter()
    for critic, _, count, *_ in rows:
        calls[critic] += count
    return calls


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price of a model; servers name a dated version: the longest name it begins with."""
    named = [name for name in prices if model.startswith(name)]
    return prices[max(named, key=len)] if named else None


def _text(model: str | bytes) -> str:
    return model if isinstance(model, str) else bytes(model).decode("utf-8", "replace")


def budget_of(run_id: str, endpoint: Endpoint) -> Budget:
    """The budget that all partitions of a run share for one endpoint, within one process."""
    return _budget(run_id, endpoint.model_dump_json())


@lru_cache(maxsize=64)
def _budget(run_id: str, endpoint: str) -> Budget:
    stated = Endpoint.model_validate_json(endpoint)
    return Budget(stated.max_calls, stated.max_tokens)


@dataclass(frozen=True, slots=True)
class _Bounded:
    """What `lasting_budgets` looks at: `usd` is the setting of `limits.max_usd`."""

    limits: Limits
    whose: str
    usd: str
    then: str
    counted: Callable[[Home, Prices], Spent]


def lasting_budgets(
    home: Home,
    critic: str,
    spec: LlmSpec,
    started_by: str,
    allowance: Allowance | None = None,
    *,
    in_batches: bool = False,
) -> list[Budget]:
    """Of the critic's life, of its day where the schedule asks, and of the command that asks; those
    that bound something. `in_batches`: what is asked costs the provider's share for batches.

    Raises SrftError where USD are bounded and the critic's price is not known.
    """
    stated = settings()
    found = [one for one in _all(stated, critic, started_by, allowance) if bounds(one.limits)]
    if not found:
        return []
    prices = prices_of(stated)
    asked = (spec.model, _own_price(spec.endpoint))
    prices = Prices(prices.stated, {**prices.critics, critic: asked})
    price = prices.of(critic, spec.model)
    in_usd = [one.usd for one in found if one.limits.max_usd is not None]
    if in_usd and price is None:
        raise SrftError(
            f"{in_usd[0]}: there is no price for {spec.model}: state it in `prices:` of "
            f"srft.yaml, or as endpoint.usd_per_million_input and _output of the critic "
            f"{critic} (0 where it costs nothing)"
        )
    dearest = max(price.input, price.output) / MILLION if price else 0.0
    dearest *= price.batch if price and in_batches else 1
    return [
        Budget(
            one.limits.max_calls,
            one.limits.max_tokens,
            one.limits.max_usd,
            whose=one.whose,
            then=one.then,
            counted=partial(one.counted, home, prices),
            dearest=dearest,
        )
        for one in found
    ]


def _all(
    stated: Settings, critic: str, started_by: str, allowance: Allowance | None
) -> Iterator[_Bounded]:
    whose = f"the critic {critic} (critic.max_… of srft.yaml)"
    of_life = partial(spent, critic=critic)
    yield _Bounded(stated.critic, whose, "critic.max_usd", "raise it to go on", of_life)
    if started_by in (NIGHTLY, AUTOMATION):
        whose = f"{started_by} today (relabel.max_… of srft.yaml)"
        yield _Bounded(
            stated.relabel,
            whose,
            "relabel.max_usd",
            "the rest waits for the next night",
            lambda home, prices: spent(home, prices, since=today()),
        )
    if allowance is not None:
        of_command = partial(spent, since=allowance.since)
        yield _Bounded(allowance, allowance.whose, allowance.whose, GO_ON, of_command)


def counted(reply: Reply, prompt_tokens: int) -> Reply:
    """The reply with an estimate of its tokens where the server counted none."""
    if reply.prompt_tokens or reply.completion_tokens:
        return reply
    answer = tokens_of(len((reply.content or "").encode()))
    return replace(reply, prompt_tokens=prompt_tokens, completion_tokens=answer)


def prices_of(stated: Settings) -> Prices:
    """Those of `srft.yaml`, and what the files of all critics state as their own."""
    critics: dict[str, tuple[str, Price | None]] = {}
    for path in component_files():
        for document in read_yaml(path):
            values = document.get("attributes") if isinstance(document, dict) else None
            if isinstance(values, dict) and values.get("kind") == "llm":
                spec = parsed(path, LlmSpec, values, ("attributes",))
                asked = spec.model or stated.critic.model
                critics[path.parent.name] = (asked, _own_price(spec.endpoint))
    return Prices(stated.prices, critics)


def _own_price(endpoint: Endpoint) -> Price | None:
    if not endpoint.model_fields_set & {"usd_per_million_input", "usd_per_million_output"}:
        return None
    return Price(
        input=endpoint.usd_per_million_input,
        output=endpoint.usd_per_million_output,
        batch=endpoint.batch_share,
    )


def left_of_life(home: Home, critic: str, stated: Settings) -> dict[str, float]:
    """What a critic may still pay for in its life, by unit; none where nothing is bounded."""
    if not bounds(stated.critic):
        return {}
    return left(stated.critic, spent(home, prices_of(stated), critic))


def in_words(units: Mapping[str, float]) -> str:
    """`9 calls, 0.25 usd`."""
    return ", ".join(f"{rest:,.2f} {unit}".replace(".00", "") for unit, rest in units.items())
