"""What the rules can see of a step, read once from its actions and observations: what was run and
edited, and what the answer says of it: refused, a wrong command, failing tests.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from srft_assets.critic.rules.commands import Program, programs_of
from srft_assets.critic.rules.edits import (
    EDITORS,
    OPEN_FILE,
    Edit,
    Files,
    edits_of,
    rewrites,
    texts_of,
)
from srft_assets.trajectories.model import Action, Step, Trajectory
from srft_assets.trajectories.steps import SHELLS

HEAD_CHARS = 20_000
MOST_EDITS = 20
"""Of one step; its further ones are not looked at."""
BARE_CHARS = 1_000
"""Where no exit code is stated, a shell's words count at the beginning of its answer only."""
SUBMIT_MARKS = ("COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT", "MINI_SWE_AGENT_FINAL_OUTPUT")
SUBMIT_TOOLS = frozenset({"submit", "finish"})
TESTERS = frozenset(
    {"pytest", "py.test", "tox", "nox", "nosetests", "nose2", "unittest", "trial", "jest", "mocha"}
    | {"vitest", "rspec", "phpunit", "ctest", "check.py", "runtests.py", "run_tests.py"}
)
BUILDERS = frozenset({"make", "npm", "yarn", "pnpm", "go", "cargo", "mvn", "gradle", "manage.py"})
"""Programs whose argument `test` or `check` runs the tests."""
NOT_RUN = frozenset({"--version", "--help", "-h", "--collect-only", "--co", "-V"})
NO_TESTS = frozenset({4, 5, 126, 127})
"""Exit codes after which no test was run: bad usage, nothing collected, no such program."""
PROBES = frozenset({"ls", "test", "which", "type", "find", "stat", "file", "grep", "rg", "command"})
"""Programs that are asked whether something is there."""
INERT = re.compile(
    r"awk|basename|cat|cd|chmod|chown|clear|cmp|comm|cp|cut|date|df|diff|dirname|du|echo|ed|env|exit"
    r"|export|ex|false|git|head|hexdump|history|id|less|ln|man|mkdir|more|mv|nl|od|patch|pip\d?"
    r"|printenv|printf|ps|pwd|readlink|realpath|rm|rmdir|sed|seq|set|sleep|sort|source|strings|submit"
    r"|tail|tar|tee|touch|tr|tree|true|uname|uniq|unzip|wc|wget|whoami|xxd|yes|apt(-get)?|conda|p?kill"
)
"""Programs that run no code of the repository. Every other one may."""
FILE_READERS = frozenset({"cat", "head", "tail", "nl", "cd", "wc"})
"""Programs that end with an error only where a file cannot be read."""
_OPEN_FILE = re.compile(r"\(Open file: (\S+)\)|\[File: (\S+) \(")
_FRAME = r"(?:(?:OBSERVATION|EXECUTION RESULT of \[\w+\]):\s*)?\[?"
"""What scaffolds put before the answer itself."""
_TURN_REFUSED = re.compile(
    _FRAME + r"(?:Please always provide EXACTLY ONE action"  # mini-swe-agent
    r"|(?:Tool call|Format) error\b"
    r"|Your output (?:was not formatted correctly|could not be parsed)"  # SWE-agent
    r"|Your last output (?:did not use any|included multiple) tool calls"
    r"|Your action could not be parsed|It seems like something went wrong with your output"
    r"|The command you provided was not recognized"
    r"|No tool calls? found"
    r"|Failed to parse tool call arguments|Missing required (?:argument|parameter)"  # OpenHands
    r"|(?:Tool|Function) '?\w+'? (?:is not registered|not found in available)"
    r"|(?:Error|ERROR):? (?:validating|parsing) (?:tool|function) call)",
)
_CALL_REFUSED = re.compile(
    _FRAME + r"(?:ERROR:|Error: |Usage: |No replacement was performed|Invalid `\w+` parameter"
    r"|Parameter `\w+` is required|Your (?:proposed )?edit (?:has introduced|was not applied)"
    r"|No exact match found|Text '.*' not found|Failed to edit|File .{1,300} already exists)",
)
"""An edit tool's answer where it did nothing."""
_NOT_RUN = re.compile(
    _FRAME + r"(?:Your bash command contained syntax errors and was NOT executed"
    r"|Operation '.*' is not supported by this environment)"
)
_WRONG_COMMAND = re.compile(
    r"^\S*(?:ba|z|da)?sh: (?:-c: )?(?:line \d+: )?(?:\d+: )?(?:syntax error|unexpected EOF"
    r"|Syntax error|.*: No such file or directory$)"
    r"|^(?:ERROR: (?:file or directory )?not found: .*|\S*runtests\.py: error: .*)$"
    r"|^\S+: (?:invalid|unrecognized|unknown|illegal|extra) (?:option|argument|operand|primary).*"
    r"|^sed: (?:-e expression|can't (?:read|find)|couldn't).*"
    r"|^(?:bash|sh|cp|mv|diff): .*: No such file or directory$"
    r"|^\S*python[\d.]*: can't open file.*"
    r"|^(?:patch: \*\*\*\* |Hunk #\d+ FAILED|error: (?:patch failed|corrupt patch|No valid pat)).*"
    r"|^fatal: .*(?:unknown revision|ambiguous argument|pathspec|invalid).*"
    r"|^error: pathspec .*",
    re.MULTILINE,
)
"""Words of a shell or program that could not make sense of what it was given."""
TRACEBACK = "Traceback (most recent call last)"
_LAST_FRAME = re.compile(r'^ *File "([^"\n]+)", line \d+', re.MULTILINE)
_OWN_FAULT = re.compile(r"(?:Syntax|Indentation|Tab|Name|UnboundLocal)Error\b")
"""Exceptions that lie in the code of the last frame, whatever it is given."""
_FAILING_TEST = re.compile(
    r"^(?:FAILED|ERROR) (\S+::\S+|\S+\.py)"  # pytest
    r"|^(?:FAIL|ERROR): (\w+ \([\w.]+\))"  # unittest
    r"|^FAIL:? (\w+):"
    r"|^_{5,} ([\w.\[\]: /-]+) _{5,}$"
    r"|^--- FAIL: (\S+)"  # Go
    r"|^test (\S+) \.\.\. FAILED"  # cargo
    r"|^ *● (.+)$",  # Jest
    re.MULTILINE,
)
_TEST_FAILURE = re.compile(
    r"^(?:FAILED|FAIL:|ERROR:|E  )|\b[1-9]\d* (?:failed|errors?|exceptions?)\b|\bFAILED \("
    r"|^Traceback \(most recent|\bDO \*NOT\* COMMIT!",
    re.MULTILINE,
)
_TEST_SUCCESS = re.compile(
    r"\b\d+ passed\b|^OK\b|\bAll tests? passed\b|^test result: ok", re.MULTILINE
)
_CUT = re.compile(r"<output_head>|<response clipped>|\[\.\.\. |Observation truncated")
"""What scaffolds put in place of the middle of an observation."""
_LAST_ERROR = re.compile(r"^[\w.]*(?:Error|Exception|Interrupt|Exit)\b.*$", re.MULTILINE)


FAR = 200
"""Steps. What lies farther from a step is not compared with it, or time would grow with the square
of a run's length."""


@dataclass(frozen=True, slots=True)
class StepFacts:
    """Facts of one step. Of a turn that the scaffold refused nothing was run.

    Attributes:
        commands: each action as text.
        programs: what the shell commands ran, in order.
        observation: what answered, cut to HEAD_CHARS each.
        edits: what was changed, if the step did what it set out to do.
        submits: whether it ends the run.
        refused: the scaffold ran nothing.
        edit_refused: a tool, or a program that edits, did not do the edit.
        wrong: why the command could not do what it was to do.
        tests: it ran tests.
        tries: it ran tests, or any code.
        passed: the tests passed.
        failed: the tests, or the code that was run, failed.
        failing: names of failing tests; of other code the last exception.
        submitted: the patch of the run, None where it is not known.
        source_edits: those that were done, of files that look like code of the repository.
    """

    commands: tuple[str, ...]
    programs: tuple[Program, ...]
    observation: str
    edits: tuple[Edit, ...] = ()
    submits: bool = False
    refused: bool = False
    edit_refused: bool = False
    wrong: str | None = None
    tests: bool = False
    tries: bool = False
    passed: bool = False
    failed: bool = False
    failing: frozenset[str] = frozenset()
    submitted: str | None = None
    source_edits: tuple[Edit, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the step did what it set out to do."""
        return not (self.refused or self.edit_refused or self.wrong)

    @property
    def word(self) -> str:
        """The program that the step is about, and for other tools than a shell the tool."""
        names = (one.name for one in self.programs)
        tools = [command.partition(" ")[0] for command in self.commands]
        return next(
            (name for name in names if name not in ("cd", "export", "source")), "".join(tools[:1])
        )


Facts = Sequence[StepFacts]


def steps_before(index: int) -> range:
    """The steps that a step is compared with, the last one first."""
    return range(index - 1, max(index - 1 - FAR, -1), -1)


def steps_after(facts: Facts, index: int) -> range:
    """Likewise after it, the next one first."""
    return range(index + 1, min(index + 1 + FAR, len(facts)))


def facts_of(run: Trajectory) -> list[StepFacts]:
    """Facts of every step, in step order. Files that the run executes are trials, not source."""
    written = Files()
    facts = [_facts(step, written) for step in run.steps]
    scripts = Files(script for fact in facts for one in fact.programs if (script := one.script))
    own = Files(path for path in written if scripts.find(path))
    patch = None if run.submission is None else run.submission.strip()
    return [replace(_of_run(fact, own, written), submitted=patch) for fact in facts]


def _of_run(fact: StepFacts, own: Files, written: Files) -> StepFacts:
    """The facts, knowing what the run wrote: edits of its scripts are trials, and tests too."""
    edits = tuple(replace(edit, trial=True) if own.find(edit.path) else edit for edit in fact.edits)
    named = {word.partition("::")[0] for one in fact.programs for word in one.operands}
    tests = fact.tests and not any(written.find(word) for word in named)
    source = tuple(edit for edit in edits if edit.of_source and fact.ok)
    return replace(
        fact, edits=edits, source_edits=source, tests=tests, passed=fact.passed and tests
    )


def _facts(step: Step, written: Files) -> StepFacts:
    commands = tuple(f"{action.tool} {action.command}".strip() for action in step.actions)
    seen = "\n".join(text[:HEAD_CHARS] for text in step.observations)
    if step.observations and _TURN_REFUSED.match(step.observations[0].lstrip()):
        return StepFacts(commands, (), seen, refused=True)
    codes = [code for code in step.return_codes if code is not None]
    each = [(a, programs_of(a.command) if a.tool in SHELLS else ()) for a in step.actions]
    programs = tuple(one for _, programs in each for one in programs)
    edits: list[Edit] = []
    for action, ran in each:
        written.add(texts_of(action, ran))
        edits += edits_of(action, ran, written)
    opened = _OPEN_FILE.search(seen)
    if opened:
        name = opened[1] or opened[2]
        edits = [replace(one, path=name) if one.path == OPEN_FILE else one for one in edits]
    tests = any(_tests(one) for one in programs)
    rewriting = [one for one in programs if rewrites(one, written)]
    tries = any(_runs_code(one) and one not in rewriting for one in programs) or any(
        action.tool.startswith("execute_ipython") for action in step.actions
    )
    failed = _failed(tests, tries, codes, seen)
    failing = _failing_tests(seen) if tests else frozenset({last_error(seen)})
    broke = any(codes) and bool(rewriting) and programs[-1] in rewriting
    return StepFacts(
        commands=commands,
        programs=programs,
        observation=seen,
        edits=tuple(dict.fromkeys(edits))[:MOST_EDITS],
        submits=any(_submits(action) for action in step.actions),
        edit_refused=broke or (_edits_by_tool(step.actions) and _call_refused(seen)),
        wrong=_wrong(step.actions, programs, codes, seen),
        tests=tests,
        tries=tests or tries,
        passed=tests and not failed and (bool(_TEST_SUCCESS.search(seen)) or not any(codes or [1])),
        failed=failed,
        failing=failing - {""} if failed else frozenset(),
    )


def _edits_by_tool(actions: Iterable[Action]) -> bool:
    """Whether an edit tool was asked for more than a look."""
    return any(edits_of(action, (), Files()) for action in actions)


def _submits(action: Action) -> bool:
    return (
        action.tool in SUBMIT_TOOLS
        or action.command.strip() == "submit"
        or any(mark in action.command for mark in SUBMIT_MARKS)
    )


def _tests(program: Program) -> bool:
    if not NOT_RUN.isdisjoint(program.arguments):
        return False
    script = program.script.rpartition("/")[2]
    if not TESTERS.isdisjoint((program.name, program.module, script)):
        return True
    if program.name in BUILDERS or script in ("manage.py", "setup.py"):
        return not {"test", "check"}.isdisjoint(program.operands[:3])
    main = "unittest.main(" in program.code or "pytest.main(" in program.code
    return main or f"/{program.word}".endswith("/bin/test") or script == "test"


def _runs_code(program: Program) -> bool:
    """Whether a program is code, of the repository or of the run."""
    if not NOT_RUN.isdisjoint(program.arguments):
        return False
    if program.is_python:
        return program.module not in ("pip", "venv", "py_compile", "compileall", "http.server")
    return bool(program.script) or not (program.name in PROBES or INERT.fullmatch(program.name))


def _failed(tests: bool, tries: bool, codes: list[int], seen: str) -> bool:
    if not (tests or tries) or any(code in NO_TESTS for code in codes):
        return False
    told = _TEST_FAILURE.search(seen) if tests else TRACEBACK in seen
    return any(codes) or bool(told)


def _wrong(
    actions: Iterable[Action], programs: tuple[Program, ...], codes: list[int], seen: str
) -> str | None:
    """Why a command could not do what it was to do; None where its failure is an answer."""
    if _NOT_RUN.match(seen.lstrip()):
        return "the scaffold did not run the command"
    if any(action.tool in EDITORS for action in actions) and _call_refused(seen):
        return "the tool could not do it"
    probes = all(one.asks or one.name in PROBES or one.name == "cd" for one in programs)
    if (codes and not any(codes)) or probes:
        return None
    shown = seen if codes else seen[:BARE_CHARS]
    if own_fault(shown) and last_frame(shown) in ("<string>", "<stdin>"):
        return "the code given on the command line is wrong"
    missing = any(codes) or "No such file or directory" in shown
    if missing and all(one.name in FILE_READERS for one in programs):
        return "a file or folder that the command names cannot be read"
    found = _WRONG_COMMAND.search(shown)
    return f"the command is wrong: {found[0].strip()[:200]}" if found else None


def _call_refused(seen: str) -> bool:
    return _CALL_REFUSED.match(seen.lstrip()) is not None


def last_frame(seen: str) -> str:
    """File of the innermost frame of the last traceback; `<string>`, `<stdin>` of inline code."""
    frames = _LAST_FRAME.findall(seen)
    return frames[-1] if frames else ""


def own_fault(seen: str) -> bool:
    """Whether the last exception lies in the code of its frame: bad syntax, an undefined name."""
    return _OWN_FAULT.match(last_error(seen)) is not None


def _failing_tests(seen: str) -> frozenset[str]:
    """Names of the tests that failed; none where the scaffold cut the output."""
    if _CUT.search(seen):
        return frozenset()
    names = (
        "".join(part for part in found.groups() if part) for found in _FAILING_TEST.finditer(seen)
    )
    return frozenset(names)


def last_error(seen: str) -> str:
    """The last line that names an exception."""
    lines = _LAST_ERROR.findall(seen)
    return lines[-1].strip() if lines else ""
