"""What of a run, and of its grading, a critic sees: cut, made readable and fenced."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, repeat

from srft_assets.critic.prompt.template import ActionView, StepView
from srft_assets.critic.prompt.text import (
    Count,
    Cut,
    Shown,
    fence_id,
    fenced,
    opening,
    readable,
    show,
)
from srft_assets.critic.spec import Context, Sees
from srft_assets.text import visible
from srft_assets.trajectories.model import DEMONSTRATION, Step, Trajectory, text_of

TOOL_CHARS = 80


@dataclass(frozen=True, slots=True)
class Seen:
    """What grading said of a run; None where it did not say, or the critic may not see it."""

    outcome: str | None = None
    failed_tests: tuple[str, ...] | None = None
    gold_patch: str | None = None


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run ready for the prompt.

    Attributes:
        fence: id of its fences.
        task: fenced.
        steps: one a step, in order.
        tokens: of each step's fenced text.
        grading: the variables that `sees` allows, by name.
        task_tokens: of `task`.
        cuts: every text that is shown in part.
    """

    fence: str
    task: str
    steps: tuple[StepView, ...]
    tokens: tuple[int, ...]
    grading: dict[str, str]
    task_tokens: int
    cuts: tuple[Cut, ...]


def see(run: Trajectory, seen: Seen, sees: Sees, context: Context, count: Count) -> SeenRun:
    """The run as the critic sees it: every text cut to its budget, all in fences of one id."""
    about = partial(show, budget=context.task_tokens, count=count)
    task = about(task_of(run), field="task")
    others = {}
    if sees.failed_tests:
        others["failed_tests"] = about("\n".join(seen.failed_tests or ()), field="failed_tests")
    if sees.gold_patch:
        others["gold_patch"] = about(seen.gold_patch or "", field="gold_patch")
    parts = [_parts(step, context.observation_tokens, count) for step in run.steps]
    texts = [task, *others.values(), *chain.from_iterable(step.texts for step in parts)]
    tools = (action.tool for step in parts for action in step.actions)
    fence = fence_id(task.text, chain((shown.text for shown in texts), tools))
    grading = {
        name: fenced(fence, name, shown.text) if shown.text else ""
        for name, shown in others.items()
    }
    if sees.outcome:
        grading["outcome"] = visible(seen.outcome or "unknown")
    steps = [_view(step, fence, count) for step in parts]
    return SeenRun(
        fence=fence,
        task=fenced(fence, "task", task.text),
        steps=tuple(view for view, _ in steps),
        tokens=tuple(tokens for _, tokens in steps),
        grading=grading,
        task_tokens=task.tokens + count(fenced(fence, "task", "")),
        cuts=tuple(shown.cut for shown in texts if shown.cut),
    )


def task_of(run: Trajectory) -> str:
    """The user's messages before the first turn of the run, demonstrations aside."""
    told = []
    for message in run.messages:
        if DEMONSTRATION in message:
            continue
        if message["role"] == "assistant":
            break
        if message["role"] == "user":
            told.append(text_of(message["content"]))
    return "\n\n".join(told)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The texts of a step, before the fence is known. `texts`: thought, commands, observations."""

    step: Step
    thought: Shown
    actions: tuple[ActionView, ...]
    observations: tuple[Shown, ...]
    texts: tuple[Shown, ...]


def _parts(step: Step, budget: int, count: Count) -> _Parts:
    text = partial(show, budget=budget, count=count, step_index=step.step_index)
    thought = text(step.thought, field="thought")
    commands = tuple(text(action.command, field="action") for action in step.actions)
    observations = tuple(text(told, field="observation") for told in step.observations)
    actions = tuple(
        ActionView(visible(readable(action.tool[:TOOL_CHARS])), shown.text)
        for action, shown in zip(step.actions, commands, strict=True)
    )
    return _Parts(step, thought, actions, observations, (thought, *commands, *observations))


def _view(parts: _Parts, fence: str, count: Count) -> tuple[StepView, int]:
    """The step with its fenced text, and the tokens of that text.

    Inside, each part begins with a line of its own that holds the id too, so that a thought
    cannot pass for an observation.
    """
    inside: list[tuple[str, str]] = []
    if parts.thought.text:
        inside.append((opening(fence, "thought"), parts.thought.text))
    for action in parts.actions:
        inside.append((opening(fence, "action", f"tool={action.tool}"), action.command))
    codes = chain(parts.step.return_codes, repeat(None))
    for shown, code in zip(parts.observations, codes, strict=False):
        note = "" if code is None else f"exit={code}"
        inside.append((opening(fence, "observation", note), shown.text))
    index = parts.step.step_index
    frame = fenced(fence, "step", "\n".join(line for line, _ in inside), f"index={index}")
    text = fenced(fence, "step", "\n".join(chain.from_iterable(inside)), f"index={index}")
    observations = tuple(shown.text for shown in parts.observations)
    view = StepView(index, text, parts.thought.text, parts.actions, observations)
    return view, count(frame) + sum(shown.tokens for shown in parts.texts)


def as_context(view: StepView, fence: str) -> StepView:
    """The step marked as context: shown, not to be labelled."""
    plain = opening(fence, "step", f"index={view.index}")
    marked = opening(fence, "step", f"index={view.index} context")
    return replace(view, text=marked + view.text.removeprefix(plain))
