"""Write the tables of settings in docs/critics.md and docs/arms.md: `python -m tools.settings_doc`.

A page says where: `<!-- settings of ArmSpec: runs, where -->`, up to `<!-- end of settings -->`,
becomes a table of these fields; without names, of all that the page has not shown before. Types,
bounds and defaults come from the pydantic models, the words from the texts below their fields.
"""

import ast
import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from srft_assets.critic import spec as critic
from srft_assets.outcomes.grader_choice import GradingLimits
from srft_assets.tokens import arm, evaluation

PAGES: dict[str, list[type[BaseModel]]] = {
    "docs/critics.md": [
        *(critic.LlmSpec, critic.Sees, critic.Context, critic.Sampling),
        *(critic.Endpoint, critic.Threshold),
    ],
    "docs/arms.md": [
        *(arm.ArmSpec, arm.TrainingSpec, arm.Validation, arm.Mixing, evaluation.EvaluationSpec),
        *(evaluation.AgentSpec, evaluation.ServeSpec, evaluation.PriceSpec, GradingLimits),
    ],
}
"""Page → the models whose settings it holds, each of them whole."""
ROOT = Path(__file__).parent.parent
TABLE = re.compile(
    r"(?<=<!-- settings of )(\w+)(?:: ([\w, ]+))?( -->\n).*?(?=<!-- end of settings -->)", re.DOTALL
)
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}
KINDS = {"string": "text", "boolean": "true or false"}


def with_tables(page: str, models: list[type[BaseModel]]) -> str:
    """The page with its tables written anew.

    Raises KeyError for a model or field that is not there, ValueError where a field is in no
    table, or has no words.
    """
    left = {model.__name__: dict.fromkeys(model.model_fields) for model in models}
    named = {model.__name__: model for model in models}

    def table(found: re.Match[str]) -> str:
        name, fields, end = found.groups()
        shown = fields.split(", ") if fields else list(left[name])
        for field in shown:
            left[name].pop(field)
        return f"{name}{': ' + fields if fields else ''}{end}" + table_of(named[name], shown)

    written = TABLE.sub(table, page)
    if missing := [f"{name}.{field}" for name, fields in left.items() for field in fields]:
        raise ValueError(f"in no table: {', '.join(missing)}")
    return written


def table_of(model: type[BaseModel], fields: list[str]) -> str:
    """A Markdown table of fields."""
    schema = model.model_json_schema()
    words = words_of(model)
    lines = ["| setting | type | default | |", "| --- | --- | --- | --- |"]
    for field in fields:
        if field not in words:
            raise ValueError(f"{model.__name__}.{field} has no words below it")
        stated = schema["properties"][field]
        default = "required" if field in schema.get("required", ()) else default_of(model, field)
        kind = type_of(stated, schema.get("$defs", {}))
        lines.append(f"| `{field}` | {kind} | {default} | {words[field]} |")
    return "\n".join(lines) + "\n"


def default_of(model: type[BaseModel], field: str) -> str:
    """As YAML in one line; a dash where nothing is stated, or a section."""
    value = model.model_fields[field].get_default(call_default_factory=True)
    empty = value is None or isinstance(value, BaseModel) or value in ([], {}, "")
    return "–" if empty else f"`{json.dumps(value)}`"


def type_of(stated: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "$ref" in stated:
        return type_of(defs[stated["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in stated:
        kinds = [one for one in stated["anyOf"] if one.get("type") != "null"]
        return " or ".join(type_of(one, defs) for one in kinds)
    if values := stated.get("enum", [stated["const"]] if "const" in stated else []):
        return " or ".join(f"`{value}`" for value in values)
    match stated.get("type"):
        case "array":
            return f"list of {type_of(stated['items'], defs)}"
        case "object" if "properties" in stated:
            return "section, see below"
        case "object":
            values = stated.get("additionalProperties")
            return f"name → {type_of(values, defs)}" if isinstance(values, dict) else "mapping"
        case None:
            return "anything"
        case kind:
            bounds = [text.format(f"{stated[k]:g}") for k, text in BOUNDS.items() if k in stated]
            return ", ".join([KINDS.get(kind, kind), *bounds])


def words_of(model: type[BaseModel]) -> dict[str, str]:
    """Field → the text below it, also in the classes that the model is made from."""
    words: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        (node,) = ast.parse(inspect.getsource(kind)).body
        assert isinstance(node, ast.ClassDef)
        for field, text in zip(node.body, node.body[1:], strict=False):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(name)),
                    ast.Expr(value=ast.Constant(str(value))),
                ):
                    words[name] = " ".join(value.split()).replace("|", "\\|")
    return words


if __name__ == "__main__":
    for name, models in PAGES.items():
        page = ROOT / name
        page.write_text(with_tables(page.read_text(encoding="utf-8"), models), encoding="utf-8")
