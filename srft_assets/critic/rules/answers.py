"""What an observation says: a turn or call that was refused, a wrong command, failing tests."""

import re

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


def turn_refused(seen: str) -> bool:
    """Whether the scaffold could not find an action, or more than one, and ran nothing."""
    return _TURN_REFUSED.match(seen.lstrip()) is not None


def call_refused(seen: str) -> bool:
    """Whether an edit tool says that it did nothing."""
    return _CALL_REFUSED.match(seen.lstrip()) is not None


def not_run(seen: str) -> bool:
    """Whether the scaffold refused the command itself."""
    return _NOT_RUN.match(seen.lstrip()) is not None


def wrong_command(seen: str) -> str | None:
    """The line in which a shell or program could not make sense of what it was given."""
    found = _WRONG_COMMAND.search(seen)
    return found[0].strip() if found else None


def last_frame(seen: str) -> str:
    """File of the innermost frame of the last traceback; `<string>`, `<stdin>` of inline code."""
    frames = _LAST_FRAME.findall(seen)
    return frames[-1] if frames else ""


def own_fault(seen: str) -> bool:
    """Whether the last exception lies in the code of its frame: bad syntax, an undefined name."""
    return _OWN_FAULT.match(last_error(seen)) is not None


def failing_tests(seen: str) -> frozenset[str]:
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


def traceback(seen: str) -> bool:
    """Whether code ended with an exception."""
    return "Traceback (most recent call last)" in seen


def tells_failure(seen: str) -> bool:
    """Whether test output tells of a failure."""
    return _TEST_FAILURE.search(seen) is not None


def tells_success(seen: str) -> bool:
    """Whether test output says that tests passed."""
    return _TEST_SUCCESS.search(seen) is not None
