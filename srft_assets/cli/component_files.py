"""Component files whose trouble Dagster tells without naming the file."""

from importlib import import_module
from pathlib import Path
from typing import Any

import yaml


def trouble_in(folder: Path) -> str | None:
    """The first `defs.yaml` below `folder` without a component, or with one of a type that does
    not exist, in one line; None where there is none.
    """
    for path in sorted(folder.rglob("defs.yaml")):
        try:
            documents = list(yaml.safe_load_all(path.read_text()))
        except (yaml.YAMLError, UnicodeDecodeError):  # Dagster names the place of these
            continue
        if not any(documents):
            return f"{path}: empty; state `type:` and `attributes:`, or remove the file"
        for kind in map(_type_of, documents):
            if kind is not None and not _exists(kind):
                return f"{path}: no component of type {kind!r}; compare the files beside it"
    return None


def _type_of(document: Any) -> str | None:
    kind = document.get("type") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else None


def _exists(kind: str) -> bool:
    module, _, name = kind.rpartition(".")
    try:
        return hasattr(import_module(module), name)
    except (ImportError, ValueError):  # of a name without a module
        return False
