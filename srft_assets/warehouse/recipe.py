"""Provenance: what a partition is made from, known before it is made."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from srft_assets.warehouse.change import change


def digest(value: object) -> str:
    """64 hex digits of the SHA-256 of a JSON-able value; key order does not matter."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


Code = Mapping[str, str | int]
"""`version` of a stage → number; part of the code that people extend → its `source_digest`."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the content of one partition.

    Attributes:
        code: see `Code`.
        config: settings, JSON-able.
        inputs: `asset/partition` → data version of that upstream partition.
    """

    code: Code = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Equal exactly where code, settings and inputs are equal."""
        return digest(asdict(self))

    def changes_from(self, old: "Recipe") -> list[str]:
        """One line for each thing that differs from `old`, as `code x`, `config y: 1 → 2`, …"""
        lines = [
            _code_change(name, old.code, self.code) for name in _differing(old.code, self.code)
        ]
        lines += [
            f"{name}: {change(old.config.get(name), self.config.get(name))}"
            for name in _differing(old.config, self.config)
        ]
        for name in _differing(old.inputs, self.inputs):
            if name not in old.inputs:
                lines.append(f"input {name} is new")
            else:
                lines.append(f"input {name} " + ("changed" if name in self.inputs else "is gone"))
        return lines


def _code_change(name: str, old: Code, new: Code) -> str:
    """Versions are told by number, digests by name."""
    if isinstance(new.get(name), int):
        return f"{name}: {old.get(name, 'none')} → {new[name]}"
    return f"code {name} changed"


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
