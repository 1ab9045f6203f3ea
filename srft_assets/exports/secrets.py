"""Keys, addresses and home folders in what is to be published: found, or replaced in the run.

Tokens of services are found by the patterns of detect-secrets, which others keep up to date; its
detectors of high entropy and of keywords are not asked: in source code nearly all they find is
none. Nothing of what is found is ever printed.
"""

import json
import re
from bisect import bisect
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from srft_assets.trajectories.model import Trajectory

LINE_CHARS = 4096
OVERLAP = 512
"""A longer line is read in pieces that share so many characters: patterns take quadratic time."""
EMAIL, HOME, PRIVATE_KEY, PASSWORD = "e-mail address", "home folder", "private key", "password"
JWT = "JSON web token"
REPLACED = "redacted"
"""What names in place of a secret begin with."""
FEWEST = 16
"""Characters of a key: a shorter group of a pattern is a part of it."""
DETECTORS = {
    "aws.AWSKeyDetector": "AWS key",
    "azure_storage_key.AzureStorageKeyDetector": "Azure key",
    "basic_auth.BasicAuthDetector": PASSWORD,
    "discord.DiscordBotTokenDetector": "Discord token",
    "github_token.GitHubTokenDetector": "GitHub token",
    "gitlab_token.GitLabTokenDetector": "GitLab token",
    "mailchimp.MailchimpDetector": "Mailchimp key",
    "pypi_token.PypiTokenDetector": "PyPI token",
    "sendgrid.SendGridDetector": "SendGrid key",
    "slack.SlackDetector": "Slack token",
    "square_oauth.SquareOAuthDetector": "Square token",
    "stripe.StripeDetector": "Stripe key",
    "telegram_token.TelegramBotTokenDetector": "Telegram token",
    "twilio.TwilioKeyDetector": "Twilio key",
}
"""Module and class in `detect_secrets.plugins` → what it finds."""
_BORDER = r"(?:(?<=\\[nrt])|(?<=\\u[0-9a-f]{4})|(?<!\w))"
"""Before a word. In JSON a letter behind a backslash is a line break, and of no word."""
_PATTERNS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "OpenAI key",
            _BORDER + r"sk-(?!ant-)(?=[\w-]{0,99}\d)(?=[\w-]{0,99}[A-Z])[A-Za-z0-9_-]{40,200}",
        ),
        ("Anthropic key", _BORDER + r"sk-ant-[A-Za-z0-9_-]{24,200}"),
        ("Hugging Face token", _BORDER + r"hf_[A-Za-z0-9]{30,60}\b"),
        ("Google key", _BORDER + r"AIza[0-9A-Za-z_-]{35}(?![\w-])"),
        ("GitHub token", r"github_pat_\w{22,255}"),
        ("npm token", _BORDER + r"npm_[A-Za-z0-9]{36}\b"),
        ("npm token", r":_authToken=\s{0,9}([A-Fa-f0-9-]{36})\b"),
        (
            "AWS key",
            r"(?i:secret_?access_?key)[\\\"']{0,4}(?:\s{0,9}[=:]\s{0,9}|\s)[\\\"']{0,4}"
            r"([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])",
        ),
        (
            EMAIL,
            r"(?:(?<=\\[nrt])|(?<=\\u[0-9a-f]{4})|(?<![\w.+\\-]))\w[\w.+-]{0,63}"
            r"@[A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z][A-Za-z0-9-]{0,62}){0,4}\.[A-Za-z]{2,24}\b",
        ),
        (
            HOME,
            r"(?:(?:(?<![\w.~-])|(?<=\\[nrt])|(?<=\\u[0-9a-f]{4})|(?<=-[IL])|(?<=/[a-z]))"
            r"/(?:home|Users)/|"
            + _BORDER
            + r"[A-Za-z]:(?:\\{1,8}|/)[Uu]sers(?:\\{1,8}|/))(\w[\w.-]{1,63})",
        ),
        # The folder of a project as Claude Code names it.
        (HOME, r"(?<![\w-])-(?:home|Users)-(\w[\w.]{1,63})-"),
    )
)
"""The last group is what is replaced, the whole where there is none."""
_JWT = re.compile(r"(?:(?<=\\[nrt])|(?<![\w-]))(eyJ[\w-]++\.[\w-]++)(?:\.[\w-]*+)?", re.ASCII)
"""No other token is longer than `OVERLAP`. No part is read twice, so that it may be looked for in
the whole text."""
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:"
    r".{0,8000}?-----END (?:[A-Z]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?:(?:\\{1,4}[nr]|\s)++[A-Za-z-]{1,40}: [^\n\\]{0,200})*"
    r"(?:(?:\\{1,4}[nr]|\s)++[A-Za-z0-9+/=]{32,}+)+(?:(?:\\{1,4}[nr]|\s)++[A-Za-z0-9+/=]+)?)",
    re.DOTALL,
)
"""Also one whose end was cut off."""
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*+["\\]?', re.DOTALL)
"""A string of JSON; also one that does not end, so that no part is read twice."""
NOBODY = re.compile(
    r"[\w.+-]*@(?:[\w-]+\.)*(?:example|test|invalid|localhost|domain|foo|bar)(?:\.\w+)*"
    r"|openhands@all-hands\.dev"
    r"|(?:git|noreply|no-reply)@(?:github|gitlab)\.com|[\w.+-]+@users\.noreply\.(?:github|gitlab)\.com",
    re.IGNORECASE,
)
"""Addresses of nobody."""
ANYBODY = frozenset(
    {"user", "username", "runner", "ubuntu", "vscode", "agent", "openhands", "swe-agent", "nonroot"}
    | {"circleci", "docker", "jovyan", "developer", "dev", "me", "you", "name", "foo", "bar"}
    | {"app", "node", "node_modules", "travis", "build", "test", "linuxbrew", "Shared", "someuser"}
)
"""Users of images and of examples."""
EXAMPLES = frozenset(
    {"pass", "passwd", "password", "pwd", "secret", "pw", "xxx", "changeme", "user"}
)
"""Passwords of documentation."""


@dataclass(frozen=True, slots=True, order=True)
class Secret:
    """A stretch `[start, end)` of a text."""

    start: int
    end: int
    kind: str


@cache
def _detectors() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Kind and pattern, for each pattern of detect-secrets."""
    from importlib import import_module

    found = []
    for place, kind in DETECTORS.items():
        module, _, name = place.partition(".")
        detector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)()
        found += [(kind, pattern) for pattern in detector.denylist]
    return tuple(found)


def secrets_in(text: str, allowed: Collection[str] = ()) -> list[Secret]:
    """What is found in a text, in its order; of two that overlap the longer, an address last.

    `allowed`: kinds that are not looked for, so that they hide no other.
    """
    found = [Secret(*one.span(), PRIVATE_KEY) for one in _PEM.finditer(text)]
    found += [Secret(*one.span(), JWT) for one in _JWT.finditer(text) if _is_token(one[1])]
    for start, piece in _pieces(text):
        found += [Secret(start + one.start, start + one.end, one.kind) for one in _in_piece(piece)]
    found = [
        one
        for one in found
        if one.kind not in allowed and not text.startswith(REPLACED, one.start, one.end)
    ]
    kept: list[Secret] = []
    for one in sorted(set(found), key=lambda one: (one.kind == EMAIL, one.start - one.end, one)):
        place = bisect(kept, one)
        before, after = kept[max(place - 1, 0) : place], kept[place : place + 1]
        if not any(other.end > one.start for other in before) and not any(
            other.start < one.end for other in after
        ):
            kept.insert(place, one)
    return kept


def _is_token(text: str) -> bool:
    """Whether header and payload of a JSON web token are such."""
    from detect_secrets.plugins.jwt import JwtTokenDetector

    return JwtTokenDetector.is_formally_valid(text)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.splitlines(keepends=True):
        for place in range(0, max(len(line) - OVERLAP, 1), LINE_CHARS - OVERLAP):
            yield start + place, line[place : place + LINE_CHARS]
        start += len(line)


def _in_piece(piece: str) -> Iterator[Secret]:
    for kind, pattern in _PATTERNS:
        for found in pattern.finditer(piece):
            group = pattern.groups
            text = found[group]
            if (kind == EMAIL and NOBODY.fullmatch(text)) or (kind == HOME and text in ANYBODY):
                continue
            yield Secret(*found.span(group), kind)
    for kind, pattern in _detectors():
        for found in pattern.finditer(piece):
            # What a detector yields of a token with a group may be its first letters only.
            groups = [number for number in range(1, pattern.groups + 1) if found[number]]
            group = max(groups, key=lambda number: len(found[number]), default=0)
            if kind != PASSWORD and group and len(found[group]) < FEWEST:
                group = 0
            text = found[group]
            if kind == PASSWORD and (text.lower() in EXAMPLES or not text.strip("*.x<>")):
                continue
            yield Secret(*found.span(group), kind)


def step_of(run: Trajectory, place: int) -> int | None:
    """The step that a message belongs to, with what answered it; None before the first."""
    steps = [step.step_index for step in run.steps if step.message_index <= place]
    return steps[-1] if steps else None


BESIDE = -1
"""In place of a step: what is found in a name."""
Place = tuple[str, int | None, str]
"""Run, step, and kind of what was found there."""


@dataclass
class Redaction:
    """Replaces what is found, the same by the same, and counts it.

    Attributes:
        allowed: kinds that stay as they are.
        places: what was found, by run, step and kind.
    """

    allowed: Collection[str] = ()
    places: Counter[Place] = field(default_factory=Counter)
    _names: dict[str, str] = field(default_factory=dict)
    _numbers: Counter[str] = field(default_factory=Counter)

    def run(self, run: Trajectory) -> Trajectory | None:
        """The run with placeholders in its messages, tools and names; None where nothing was
        found."""
        before = self.places.total()
        messages = [
            self.of(message, (run.trajectory_id, step_of(run, place)))
            for place, message in enumerate(run.messages)
        ]
        tools = self.of(run.tools, (run.trajectory_id, None))
        beside = (run.trajectory_id, BESIDE)
        name, task = self.text(run.trajectory_id, beside), self.text(run.instance_id, beside)
        if self.places.total() == before:
            return None
        return replace(run, messages=messages, tools=tools, trajectory_id=name, instance_id=task)

    def text(self, text: str, place: tuple[str, int | None] = ("", None)) -> str:
        """The text with placeholders."""
        parts, end = [], 0
        for one in secrets_in(text, self.allowed):
            self.places[(*place, one.kind)] += 1
            parts += [text[end : one.start], self._name(text[one.start : one.end], one.kind)]
            end = one.end
        return "".join([*parts, text[end:]]) if parts else text

    def of(self, value: Any, place: tuple[str, int | None]) -> Any:
        """The value of JSON with placeholders in all its texts."""
        if isinstance(value, str):
            return self.text(value, place)
        if isinstance(value, list):
            return [self.of(one, place) for one in value]
        if isinstance(value, dict):
            return {
                self.of(key, place): self._arguments(one, place)
                if key == "arguments" and isinstance(one, str)
                else self.of(one, place)
                for key, one in value.items()
            }
        return value

    def _arguments(self, text: str, place: tuple[str, int | None]) -> str:
        """JSON, or what should be: in what its strings say first, which stay strings."""

        def told(found: re.Match[str]) -> str:
            try:
                before = json.loads(found[0], strict=False)
            except ValueError:
                return found[0]
            after = self.text(before, place)
            escaped = found[0].isascii() or "\\u" in found[0]
            return found[0] if after == before else json.dumps(after, ensure_ascii=escaped)

        return self.text(_LITERAL.sub(told, text), place)

    def _name(self, text: str, kind: str) -> str:
        if text not in self._names:
            self._numbers[kind] += 1
            number = self._numbers[kind]
            plain = f"redacted-{kind.lower().replace(' ', '-')}-{number}"
            shown = {EMAIL: f"redacted-{number}@example.com", HOME: f"redacted-user-{number}"}
            self._names[text] = shown.get(kind, plain)
        return self._names[text]

    @property
    def by_kind(self) -> dict[str, int]:
        """How often each kind was found."""
        counts: Counter[str] = Counter()
        for (_, _, kind), count in self.places.items():
            counts[kind] += count
        return dict(sorted(counts.items()))


def told(places: Mapping[Place, int], shown: int = 5) -> str:
    """What was found in which steps; never the thing itself."""
    names = {None: " before its first step", BESIDE: ""}
    lines = [
        f"{run}{names.get(step, f' step {step}')}: {count} × {kind}"
        for (run, step, kind), count in places.items()
    ]
    more = f"; and in {len(lines) - shown:,} more places" if len(lines) > shown else ""
    return "; ".join(lines[:shown]) + more
