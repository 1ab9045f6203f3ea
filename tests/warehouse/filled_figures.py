"""A small warehouse whose every figure can be counted by hand.

Four runs in two batches. Batch `real`: `one` (django, resolved, 4 steps), `two` (django,
unresolved, 5 steps), `three` (sympy, grading failed, 1 step). Batch `lab`: `four` (empty
patch, 2 steps, tools that take JSON). Critics `rules` and `strict`, arms `sft` and `srft`.
"""

from srft_assets.errors import Refusal

ONE, TWO = "django__django-1.aaaaaaaaaaaa", "django__django-2.bbbbbbbbbbbb"
THREE, FOUR = "sympy__sympy-3.cccccccccccc", "lab__words-7-0004.dddddddddddd"

COMMANDS = {
    ONE: ["cd /testbed && grep -rn foo .", "sed -i s/a/b/ x.py", "python -m pytest", "submit"],
    TWO: ["ls", "sed -i s/c/d/ y.py", "git checkout y.py", "sed -i s/c/e/ y.py", "submit"],
    THREE: ["ls"],
    FOUR: ['{"command":"view","path":"/a"}', '{"command":"str_replace","path":"/a"}'],
}
RULES = {
    ONE: ["good", "good", "good", "good"],
    TWO: ["good", "mistake", "recover", "mistake", "mistake"],
    THREE: ["unnecessary"],
    FOUR: ["good", "mistake"],
}
STRICT = {**RULES, ONE: ["good", "mistake", "recover", "good"], TWO: ["good"] + ["mistake"] * 4}
GOLD = {
    "ann": {ONE: ["good", "good", "good", None], TWO: ["good", "mistake", "recover", "good"]},
    "bob": {TWO: ["good", "mistake", "mistake", "good"]},
}
STATUS = {ONE: "resolved", TWO: "unresolved", THREE: "infra_error", FOUR: "empty_patch"}
BATCHES = {"real": [ONE, TWO, THREE], "lab": [FOUR]}
ATTEMPTS = {
    ("sft", "0"): [True, False, False, None],
    ("sft", "1"): [True, False, True, False],
    ("srft", "0"): [True, True, False, False],
    ("srft", "1"): [True, True, True, None],
}
REFUSAL = Refusal(
    source="broken/\x1b[31m.traj.json",
    reason="not JSON: line 1 column 7; remove it or repair it",
    row=3,
    subject="a\0b",
    excerpt='{"x": [bold]',
)
