"""A platform on which nothing is even: what statistics are most easily wrong about, once each.

Three batches. `a` and `b` are graded, `c` is not. A run that both hold, one that `c` was given
twice, a run without steps, runs
that nobody graded or whose grader failed, a run that moved from `a` to `c` and one that is gone:
what was said of them in `a` is still there. Critic `rules` labels all; `llm` judges some failed
runs, of which it leaves one unanswered and one in part; `strict` judges graded runs. Gold is by
three people. Arms have unequal attempts, one lacks a seed, and a seed of another has no score.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from srft_assets.compare import ARM_RATES, compare_arms
from srft_assets.critic.calls import CRITIC_CALLS, to_row
from srft_assets.critic.gold.labels import GOLD_LABELS
from srft_assets.critic.scores import CRITIC_SCORES, scores
from srft_assets.critic.verdict import CRITIC_PROMPTS, STEP_VERDICTS
from srft_assets.errors import Refusal
from srft_assets.home import Home
from srft_assets.integrity.finding import INTEGRITY, Finding, Kind, finding_row
from srft_assets.lab.base import BASE_MODELS
from srft_assets.outcomes.status import TEST_OUTCOMES
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.rollouts.stage import EVAL_SCORES
from srft_assets.tokens.token_labels import MASKED_TOKENS
from srft_assets.training.checkpoint import CHECKPOINTS
from srft_assets.trajectories.model import TRAJECTORIES
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.partitions import Stamp, Warehouse
from srft_assets.warehouse.recipe import Recipe
from tests.critic.ledger_support import key_of, reply
from tests.warehouse.filled import keep, put
from tests.warehouse.filled_frames import framed

GOOD, NEEDLESS, MISTAKE, RECOVER, NONE = "good", "unnecessary", "mistake", "recover", "unlabeled"
LETTERS = {"g": GOOD, "n": NEEDLESS, "m": MISTAKE, "r": RECOVER, "?": NONE}
MOVED, GONE = "flask__flask-9.moved", "flask__flask-9.gone"
AGAIN = "django__django-1.new"
"""A run that the files of its batch hold once more."""

RUNS: dict[str, dict[str, Any]] = {
    "django__django-1.twice": {
        "batches": "ab",
        "status": "resolved",
        "commands": "ls +grep +sed +submit ",
    },
    "django__django-1.lost": {
        "batches": "a",
        "status": "unresolved",
        "commands": "ls +sed -sed -sed -pytest -submit ",
    },
    "sympy__sympy-3.broken": {"batches": "a", "status": "infra_error", "commands": "ls "},
    "sympy__sympy-3.asked": {"batches": "a", "status": "unknown", "commands": "ls +ls +cat -"},
    "sympy__sympy-3.none": {"batches": "a", "status": "empty_patch", "commands": ""},
    "sympy__sympy-4.late": {"batches": "b", "status": "timeout", "commands": "cat +cat +cat "},
    "task-of-no-repo.odd": {"batches": "b", "status": "patch_failed", "commands": "view+edit-"},
    "django__django-1.new": {"batches": "c", "status": None, "commands": "ls +submit "},
    MOVED: {"batches": "c", "status": None, "commands": "ls +sed +"},
}
STALE = {MOVED: "resolved", GONE: "unresolved"}
"""What `a` still says of runs that it no longer holds."""

VERDICTS = {
    "rules": {
        "a": {
            "django__django-1.twice": "gggg",
            "django__django-1.lost": "gmgrmg",
            "sympy__sympy-3.broken": "n",
            "sympy__sympy-3.asked": "ggm",
            MOVED: "mm",
            GONE: "mmm",
        },
        "b": {
            "django__django-1.twice": "gggm",
            "sympy__sympy-4.late": "mgr",
            "task-of-no-repo.odd": "gg",
        },
        "c": {"django__django-1.new": "gm", MOVED: "gr"},
    },
    "llm": {
        "a": {"django__django-1.lost": "gm?rm?", GONE: "?m?"},
        "b": {"sympy__sympy-4.late": "ggg", "task-of-no-repo.odd": "??"},
    },
    "strict": {
        "a": {"django__django-1.twice": "gmrg", "django__django-1.lost": "gmmgmn"},
        "b": {
            "django__django-1.twice": "mmmm",
            "sympy__sympy-4.late": "m?r",
            "task-of-no-repo.odd": "g?",
        },
    },
}
GOLD = {
    "ann": {"django__django-1.lost": "gmgr-g", "sympy__sympy-4.late": "mgg", GONE: "mmm"},
    "bob": {"django__django-1.lost": "gmmr", "sympy__sympy-4.late": "mmg"},
    "cat": {"django__django-1.lost": "ggm-m", "django__django-1.twice": "gg"},
}
ARMS = {"sft": {}, "srft": {"critic": "llm"}, "taught": {"gold": "people"}}
ATTEMPTS = {
    ("sft", 0): {"t1": "+-+", "t2": "-", "t3": "+?", "t4": "?"},
    ("sft", 1): {"t1": "--", "t2": "+", "t3": "-"},
    ("srft", 0): {"t1": "++-", "t2": "+", "t3": "-+"},
    ("srft", 1): {"t1": "+", "t2": "+?", "t5": "-"},
    ("srft", 2): {"t1": "??", "t2": "?"},
    ("taught", 0): {"t1": "+-", "t2": "-"},
}
MARKS = {"+": True, "-": False, "?": None}


@dataclass
class Uneven:
    """The platform, and what lies on it: frames by asset and partition, stamps beside them."""

    home: Home
    frames: dict[str, dict[str, pl.DataFrame]] = field(default_factory=dict)
    stamps: dict[tuple[str, str], Stamp] = field(default_factory=dict)

    def put(self, asset: str, partition: str, frame: pl.DataFrame, **more: Any) -> None:
        """Write a partition, and note it."""
        stamp = put(Warehouse(self.home.warehouse), asset, partition, frame, **more)
        self.frames.setdefault(asset, {})[partition] = frame
        self.stamps[asset, partition] = stamp

    def table(self, name: str, folder: str = "", partition: str = "batch") -> pl.DataFrame:
        """All rows of an asset, with the folder and the partition that hold them as columns."""
        parts = [
            frame.with_columns(
                pl.lit(one).alias(partition),
                *[pl.lit(asset.rpartition("/")[2]).alias(folder)] * bool(folder),
            )
            for asset, frames in self.frames.items()
            if asset.split("/")[0] == name
            for one, frame in frames.items()
        ]
        return pl.concat(parts)


def build(home: Home) -> Uneven:
    """Write all partitions, and the catalogue."""
    made = Uneven(home)
    for batch in "abc":
        refused = [Refusal("f.json", f"bad in {batch}"), Refusal("g.json", "bad")] * (batch > "a")
        again = Refusal("f.json", f"duplicate run {AGAIN}: the first is f.json, row 0", 1, AGAIN)
        refused += [again] * (batch == "c")
        made.put("trajectories", batch, runs_of(batch), refused=refused)
    for batch in "ab":
        made.put("test_outcomes", batch, outcomes_of(batch))
        made.put("integrity", batch, findings_of(batch))
    for critic, batches in VERDICTS.items():
        for batch, labels in batches.items():
            frame = verdicts_of(critic, labels)
            made.put(f"step_verdicts/{critic}", batch, frame)
            keep(Warehouse(home.warehouse), f"verdict_versions/{critic}/{batch}", frame)
            made.frames.setdefault(f"verdict_versions/{critic}", {})[batch] = frame
    made.put("gold_labels", "all", gold())
    for critic in VERDICTS:
        judged = made.table("step_verdicts", "critic").filter(critic=critic)
        compared = scores(gold(), judged.select("trajectory_id", "step_index", "label").unique())
        made.put(f"critic_scores/{critic}", "all", compared.cast(dict(CRITIC_SCORES)))
    prompt = {"version": "v1", "model": "m", "prompt": "p", "settings": "{}"}
    made.put("critic_prompt/llm", "all", framed([prompt], CRITIC_PROMPTS))
    for arm, config in ARMS.items():
        for batch in "ab":
            recipe = Recipe(config=config)
            made.put(f"masked_tokens/{arm}", batch, tokens_of(arm, batch), recipe=recipe)
    for (arm, seed), attempts in ATTEMPTS.items():
        recipe = Recipe(inputs={f"masked_tokens/{arm}/{batch}": "v" for batch in "ab"})
        made.put(f"checkpoints/{arm}", f"{seed}", checkpoint(arm, seed), recipe=recipe)
        made.put(f"eval_scores/{arm}", f"{seed}", attempts_of(arm, seed, attempts))
    played = made.table("eval_scores", "arm", "seed").with_columns(pl.col("seed").cast(pl.Int64))
    compared = compare_arms(played)
    made.put("comparison", "all", compared.pairs)
    made.put("arm_rates", "all", compared.arms.select(list(ARM_RATES)))
    made.put("critic_calls/llm", "a", calls())
    made.put("base_models", "all", framed([{"name": "tiny"}], BASE_MODELS))
    build_catalogue(home, SCHEMAS)
    return made


def runs_of(batch: str) -> pl.DataFrame:
    """The runs that a batch holds. A command is four letters and a mark: `-` fails, `+` does not,
    and of others nobody knows."""
    rows = []
    for run, stated in RUNS.items():
        if batch not in stated["batches"]:
            continue
        commands = commands_of(run)
        tools = ["edit" if word in ("view", "edit") else "bash" for word, _ in commands]
        codes = [{"+": 0, "-": 1}.get(mark) for _, mark in commands]
        rows.append(
            {
                "trajectory_id": run,
                "instance_id": run.rpartition(".")[0],
                "batch": batch,
                "scaffold": "openhands" if batch == "b" else "swe-agent",
                "format": "x",
                "model": None if batch == "c" else "m1" if "django" in run else "m2",
                "exit_status": "submitted" if "submit" in stated["commands"] else None,
                "source_resolved": {"t": True, "d": None}.get(run[-1], stated["status"] is None),
                "messages": "[]",
                "source": "f.json",
                "source_row": 0,
                "n_steps": len(commands),
                "step_messages": list(range(len(commands))),
                "step_thoughts": ["so"] * len(commands),
                "step_tools": [[tool] for tool in tools],
                "step_commands": [[word] for word, _ in commands],
                "step_call_ids": [[None]] * len(commands),
                "step_words": [word for word, _ in commands],
                "step_observations": [["seen"]] * len(commands),
                "step_return_codes": [[code] for code in codes],
            }
        )
    return framed(rows, TRAJECTORIES)


def commands_of(run: str) -> list[tuple[str, str]]:
    """Word and mark of each step."""
    text = RUNS[run]["commands"]
    words, found = "", []
    for letter in text:
        if letter.isalpha():
            words += letter
        else:
            found.append((words, letter)) if words else None
            words = ""
            if letter in "+-" and found:
                found[-1] = (found[-1][0], letter)
    return found


def outcomes_of(batch: str) -> pl.DataFrame:
    """What the tests say in a batch, of runs that it no longer holds too."""
    held = {run: one["status"] for run, one in RUNS.items() if batch in one["batches"]}
    told = held | (STALE if batch == "a" else {})
    rows = [
        {"trajectory_id": run, "instance_id": run.rpartition(".")[0], "status": status}
        | {"grader": "swebench", "reason": "tests"}
        for run, status in told.items()
    ]
    return framed(rows, TEST_OUTCOMES)


def findings_of(batch: str) -> pl.DataFrame:
    """What is hidden in a batch, of runs that it no longer holds too."""
    read = Finding(1, Kind.READS_FIX, "upstream", "curl")
    rewritten = Finding(0, Kind.CHANGES_TESTS, "rewrites_tests", "2 for 3", taints=False)
    told = {"django__django-1.twice": [read], "sympy__sympy-3.broken": [rewritten]}
    told |= {MOVED: [read, rewritten], GONE: [read]} if batch == "a" else {}
    rows = [
        finding_row(run, run.rpartition(".")[0], one)
        for run, found in told.items()
        for one in found
        if batch in RUNS.get(run, {"batches": batch})["batches"] or run in STALE
    ]
    return framed(rows, INTEGRITY)


def verdicts_of(critic: str, labels: dict[str, str]) -> pl.DataFrame:
    """A letter a step: good, needless, mistake, recover, or no answer. `llm` has a call a run."""
    calls = {"django__django-1.lost": key_of(1), "task-of-no-repo.odd": key_of(2)}
    rows = [
        {"trajectory_id": run, "step_index": index, "label": LETTERS[letter], "version": "v1"}
        | {
            "reason": "cut" if letter == "?" else f"by {critic}",
            "rule": "critic-32b" if critic == "llm" else f"{critic}-{letter}",
        }
        | {"call": calls.get(run) if critic == "llm" else None}
        for run, letters in labels.items()
        for index, letter in enumerate(letters)
    ]
    return framed(rows, STEP_VERDICTS)


def gold() -> pl.DataFrame:
    """The gold set `people`; `-` is a step that the annotator skipped."""
    rows = [
        {"set": "people", "trajectory_id": run, "step_index": index, "note": ""}
        | {"label": LETTERS.get(letter), "annotator": annotator}
        for annotator, runs in GOLD.items()
        for run, letters in runs.items()
        for index, letter in enumerate(letters)
    ]
    return framed(rows, GOLD_LABELS)


def tokens_of(arm: str, batch: str) -> pl.DataFrame:
    """Ten tokens of context, then 3 for each step and its index more. `srft` cuts runs of more than
    four steps in two rows, the second of which shows a step again."""
    rows = []
    told = VERDICTS["llm"].get(batch, {})
    said = {"sft": {}, "srft": told, "taught": GOLD["ann"]}[arm]
    for run, stated in RUNS.items():
        steps = range(len(commands_of(run)))
        if batch not in stated["batches"] or not steps:
            continue
        labels = {step: LETTERS.get(said.get(run, "")[step : step + 1], NONE) for step in steps}
        windows = [steps] if arm != "srft" or len(steps) <= 4 else [steps[:4], steps[4:]]
        for part, window in enumerate(windows):
            shown, spans = 10 + (6 if part else 0), []
            for step in window:
                trained = arm == "sft" or labels[step] not in (MISTAKE, NONE)
                spans.append(
                    {"step_index": step, "start": shown, "end": shown + 3 + step}
                    | {"trained": trained, "label": None if arm == "sft" else labels[step]}
                )
                shown += 3 + step
            lengths = {
                kind: sum(s["end"] - s["start"] for s in spans if s["trained"] is kind)
                for kind in (True, False)
            }
            rows.append(
                {"trajectory_id": run, "instance_id": run.rpartition(".")[0]}
                | {"status": stated["status"], "part": part, "spans": spans}
                | {"input_ids": list(range(shown)), "n_tokens": shown}
                | {"n_trained": lengths[True], "n_masked": lengths[False]}
            )
    return framed(rows, MASKED_TOKENS)


def checkpoint(arm: str, seed: int) -> pl.DataFrame:
    """What a training told; that of the seed 0 without validation."""
    curve = [{"step": 1, "loss": 2.0, "learning_rate": 0.1}, {"step": 2, "loss": 1.0 + seed}]
    row = {"arm": arm, "seed": seed, "rows": 9, "final_loss": 1.0 + seed, "loss_curve": curve}
    if seed:
        points = [{"step": 0, "loss": 2.5, "good": 2.0, "mistake": 3.0}, {"step": 2, "loss": 1.5}]
        row |= {"kept_step": 2, "validation_curve": points}
    return framed([row], CHECKPOINTS)


def attempts_of(arm: str, seed: int, attempts: dict[str, str]) -> pl.DataFrame:
    """What an arm resolved with a seed: a mark an attempt."""
    rows = [
        {"instance_id": task, "attempt": attempt, "trajectory_id": f"{task}.{arm}{seed}{attempt}"}
        | {"status": {"+": "resolved", "-": "unresolved", "?": "infra_error"}[mark]}
        | {"resolved": MARKS[mark], "n_steps": 3 + attempt, "contaminated": task == "t2"}
        | {"cost_usd": None if mark == "?" else 0.25 * (1 + attempt), "approximate": seed == 1}
        | {"tainted": None if seed == 1 else attempt == 0}
        for task, marks in attempts.items()
        for attempt, mark in enumerate(marks)
    ]
    return framed(rows, EVAL_SCORES)


def calls() -> pl.DataFrame:
    """Labels came of 1; 2 was of no use, nor was the answer before it; 4 to 6 say so themselves."""
    lost, odd = "django__django-1.lost", "task-of-no-repo.odd"
    replies = [
        reply(1, about=lost),
        reply(2, about=odd, content="I cannot say"),
        reply(3, about=odd, content="{"),
        reply(4, about=odd, finish_reason="length"),
        reply(5, about=odd, content=None, refusal="no"),
        reply(6, about=odd, content="  "),
        reply(7, about=odd, at="2026-11-23T10:00:07+00:00"),
    ]
    rows = [
        to_row(replace(one, critic="llm", batch="a", at=one.at.replace("2026-11", "2025-11")))
        for one in replies[:-1]
    ]
    return framed(
        [
            {name: row[name] for name in CRITIC_CALLS}
            for row in [*rows, to_row(replace(replies[-1], critic="llm", batch="a"))]
        ],
        CRITIC_CALLS,
    )
