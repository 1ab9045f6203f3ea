"""`srft rollout`: a model plays tasks, and its runs become a batch like any other."""

from typing import Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import quoted, say, show
from srft_assets.cli.platform import Unsafe, applier, end, print_outcome
from srft_assets.cli.progress import Quiet
from srft_assets.errors import UsageError
from srft_assets.home import Home, current_home
from srft_assets.plugins import need
from srft_assets.tables import figures, table, words

ENVIRONMENTS = ("docker", "podman", "apptainer", "modal", "sdist")
PROMPTS = ("short", "plain", "swebench")
PROTOCOLS = ("text", "tools")


def rollout(
    name: Annotated[str, typer.Argument(help="Name of the batch.")],
    tasks: Annotated[
        str,
        typer.Option(
            help="lab:SEED:COUNT, or SWE-bench rows: a file, a folder, OWNER/NAME. Runs of "
            "held-out tasks (evaluation.task_seed of an arm) are not trained on: name their batch "
            "eval-…."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="checkpoint:ARM/SEED, local:FOLDER, vllm:MODEL, or the name a server gives it."
        ),
    ],
    attempts: Annotated[int, typer.Option(help="Runs of each task.", min=1)] = 1,
    environment: Annotated[
        str | None,
        typer.Option(
            help="Of SWE-bench rows: docker, podman, apptainer, modal, or sdist (the sandbox)."
        ),
    ] = None,
    instance: Annotated[
        list[str] | None, typer.Option(help="Of the rows only this one; may be repeated.")
    ] = None,
    first: Annotated[int | None, typer.Option(help="Of the rows the first so many.", min=1)] = None,
    split: Annotated[str, typer.Option(help="Split of the data set.")] = "test",
    base_url: Annotated[
        str | None, typer.Option(help="Of an OpenAI-compatible API, up to /v1.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(help="Variable of the environment that holds the key.")
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="text or tools.")] = None,
    price: Annotated[
        str | None, typer.Option(help="USD for a million tokens, PROMPT,ANSWER.")
    ] = None,
    prompts: Annotated[str | None, typer.Option(help="short, plain, or swebench.")] = None,
    step_limit: Annotated[int | None, typer.Option(help="Model calls of one run.", min=1)] = None,
    cost_limit: Annotated[float | None, typer.Option(help="USD of one run; 0: none.")] = None,
    wall_seconds: Annotated[
        int | None, typer.Option(help="Of one run, without its answers; 0: none.")
    ] = None,
    command_seconds: Annotated[float | None, typer.Option(help="Of one command.")] = None,
    context: Annotated[int | None, typer.Option(help="Tokens of a chat.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Tokens of one answer.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of sampling.")] = None,
    workers: Annotated[int | None, typer.Option(help="Runs played at once.", min=1)] = None,
    network: Annotated[bool, typer.Option(help="Let containers reach the network.")] = False,
    unsafe: Unsafe = False,
    quiet: Quiet = False,
) -> None:
    """Let a model play tasks; grade its runs as those of any batch.

    What was played is kept: the same command goes on where it stopped, and with more attempts
    or generated tasks only those are played.
    """
    need("rollout")
    _check("environment", environment, ENVIRONMENTS)
    _check("prompts", prompts, PROMPTS)
    _check("protocol", protocol, PROTOCOLS)
    from srft_assets.rollouts.batch import register

    console, home = Console(), current_home()
    asking = {
        "base_url": base_url,
        "api_key_env": api_key_env,
        "protocol": protocol,
        "price": _price(price),
    }
    register(
        home,
        name,
        tasks,
        model,
        instances=instance or (),
        first=first,
        split=split,
        asking={key: value for key, value in asking.items() if value is not None},
        attempts=attempts,
        environment=environment,
        prompts=prompts,
        step_limit=step_limit,
        cost_limit=cost_limit,
        wall_seconds=wall_seconds,
        command_seconds=command_seconds,
        context=context,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
        workers=workers,
        network=network,
    )
    with applier(console) as platform:
        outcome = platform.apply(["test_outcomes"], [name], [])
    print_outcome(console, outcome)
    end(outcome)
    _print_summary(console, home, name)


def _check(name: str, value: str | None, known: tuple[str, ...]) -> None:
    if value not in (None, *known):
        raise UsageError(f"no {name} {value!r}; there are: {', '.join(known)}")


def _price(stated: str | None) -> dict[str, float] | None:
    if stated is None:
        return None
    try:
        prompt, answer = map(float, stated.split(","))
    except ValueError:
        raise UsageError(f"price {stated!r}: state PROMPT,ANSWER, such as 0.5,1.5") from None
    return {"prompt": prompt, "answer": answer}


def _print_summary(console: Console, home: Home, batch: str) -> None:
    """How the runs ended, what they cost, and what the tests said."""
    from srft_assets.rollouts.batch import any_run, summary_of

    heads = [words("exit status"), *figures("runs", "resolved", "steps", "USD")]
    rows = [
        (one.exit_status, f"{one.runs}", f"{one.resolved}", f"{one.steps:.1f}", f"{one.cost:.4f}")
        for one in summary_of(home, batch)
    ]
    show(console, table(heads, rows))
    if run := any_run(home, batch):
        say(console, f"A run, step by step: [bold]srft show {quoted(run)}[/]")
