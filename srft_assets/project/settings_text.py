"""Settings as people see them: each with where it came from, and as a file of comments."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from srft_assets.project.folder import current_project, option_of, read_env_file
from srft_assets.project.settings import (
    Section,
    Settings,
    at,
    fields,
    is_secret,
    settings,
    variable_of,
)
from srft_assets.project.yaml_files import line_of_file
from srft_assets.text import HIDDEN, hide_in_urls

SECRET_WORDS = ("--api-key", "--hf-token")
"""Options of model servers that a secret follows."""


@dataclass(frozen=True, slots=True)
class Stated:
    """One setting: its value, and where that came from.

    Attributes:
        origin: `default`, `srft.yaml:LINE`, `.env`, a variable, or an option.
    """

    name: str
    value: Any
    origin: str
    variable: str
    description: str


def every_setting() -> list[Stated]:
    """All settings as they hold, in the order of the model; secrets are `set` or None, and those
    within a URL or a command line are hidden."""
    project, now = current_project(), settings()
    file, in_env_file = project.stated(), read_env_file(project)
    found = []
    for path, field in fields():
        variable, value = variable_of(path), at(now, path)
        if is_secret(field):
            value = "set" if value else None
        origin = "default"
        if os.environ.get(variable):
            same = in_env_file.get(variable) == os.environ[variable]
            origin = option_of(variable) or (".env" if same else variable)
        elif at(file, path) is not None:
            origin = f"{project.file.name}:{line_of_file(project.file, path)}"
        told = " ".join((field.description or "").split())
        found.append(Stated(".".join(path), _open(value), origin, variable, told))
    return found


def _open(value: Any) -> Any:
    """The value without the secrets that text or a command line of it holds."""
    if isinstance(value, tuple | list):
        return tuple(hide_in_urls(word) for word in _words(value))
    return hide_in_urls(value) if isinstance(value, str) else value


def _words(words: Sequence[str]) -> Iterator[str]:
    secret = False
    for word in words:
        option, equals, _ = word.partition("=")
        if option.startswith("--"):
            secret = option.replace("_", "-") in SECRET_WORDS
            yield f"{option}={HIDDEN}" if secret and equals else word
        else:
            yield HIDDEN if secret else word


def template() -> str:
    """A `srft.yaml` in which every setting stands as a comment, with its default."""
    lines = [
        "# Settings of this project, each with its default. `srft config` shows what holds, and",
        "# where it came from. Variables (SRFT_CRITIC_URL for critic.url) go before this file, and",
        "# options before those. Secrets belong into .env.",
    ]
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            lines += ["", *_comment(kind.__doc__ or ""), f"# {name}:"]
            for inner, one in kind.model_fields.items():
                if not is_secret(one):
                    lines += [
                        *_comment(one.description or "", "#   # "),
                        _default(inner, one, "#   "),
                    ]
        else:
            lines += ["", *_comment(field.description or ""), _default(name, field, "# ")]
    return "\n".join(lines) + "\n"


def _comment(text: str, mark: str = "# ") -> list[str]:
    return [f"{mark}{line}" for line in wrap(" ".join(text.split()), 98 - len(mark))]


def _default(name: str, field: FieldInfo, mark: str) -> str:
    value = field.get_default(call_default_factory=True)
    value = list(value) if isinstance(value, tuple) else value
    shown = yaml.safe_dump(value, default_flow_style=True)
    return f"{mark}{name}: {shown.partition('...')[0].strip()}"
