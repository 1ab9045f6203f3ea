"""YAML that people write: what is wrong in it is told with file, line and the nearest right key."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from srft_assets.errors import SrftError

Keys = tuple[str | int, ...]


def read_yaml(path: Path) -> list[Any]:
    """The documents of a file. Raises SrftError with the line of what is no YAML."""
    try:
        return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SrftError(f"{path}:{line}: no YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SrftError(f"{path}: no YAML: {error}") from None
    except OSError as error:
        raise SrftError(f"{path} cannot be read: {error.strerror}") from None


def parsed(path: Path, model: Any, values: dict[str, Any], under: Keys = ()) -> Any:
    """The values as `model` takes them; they stand in the file below the keys `under`.

    Raises SrftError that names file, line and setting of each that is wrong.
    """
    try:
        return TypeAdapter(model).validate_python(values)
    except ValidationError as error:
        raise SrftError("; ".join(problems(path, model, error, under))) from None


def problems(path: Path, model: Any, error: ValidationError, under: Keys = ()) -> Iterator[str]:
    """`file:line: setting: what is wrong`, for each that is."""
    root = next(iter(yaml.compose_all(path.read_text(encoding="utf-8"))), None)
    for one in error.errors():
        where = ".".join(str(part) for part in one["loc"])
        line = line_of(root, (*under, *one["loc"]))
        yield f"{path}:{line}: {where + ': ' if where else ''}{reason_of(one, model)}"


def reason_of(problem: Any, model: Any) -> str:
    """What pydantic says of one problem, in our words; never the value, which may be a secret."""
    *place, last = problem["loc"] or ("",)
    if problem["type"] != "extra_forbidden":
        reason = str(problem["msg"]).removeprefix("Value error, ")
        return reason[:1].lower() + reason[1:]
    known = sorted(keys_at(model, place))
    near = get_close_matches(str(last), known, n=1, cutoff=0.5)
    return "no such setting, " + (
        f"the nearest is {near[0]}" if near else f"there are: {', '.join(known)}"
    )


def keys_at(model: Any, place: list[str | int]) -> set[str]:
    """The settings of the section at `place`, which may hold tags of unions and indexes."""
    models = list(_models(model))
    for part in place:
        inner = [one.model_fields[part] for one in models if part in one.model_fields]
        models = [m for field in inner for m in _models(field.annotation)] or models
    return {name for one in models for name in one.model_fields}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def line_of(node: yaml.Node | None, keys: Keys) -> int:
    """The line of the innermost of the nested keys that stands in the YAML, counted from 1."""
    line = node.start_mark.line + 1 if node else 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(key)), None)
            if found is not None:
                line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and node.value[key:]:
            node = node.value[key]
            line = node.start_mark.line + 1
    return line


def line_of_file(path: Path, keys: Keys) -> int:
    """The same of a file that was read before."""
    return line_of(yaml.compose(path.read_text(encoding="utf-8")), keys)
