"""Jinja's side of a prompt: the sandbox, and what a syntax tree says."""

from collections.abc import Iterator

from jinja2 import StrictUndefined, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

JINJA = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
)
"""Sandboxed, and with no loader: a prompt is one file."""


def tree(body: list[nodes.Node]) -> nodes.Template:
    """A template of its own from a part of another."""
    made = nodes.Template(body, lineno=1)
    made.set_environment(JINJA)
    return made


def names(template: nodes.Template) -> set[str]:
    """Variables that a template takes from outside."""
    return find_undeclared_variables(template) - JINJA.globals.keys()


def line_of(name: str, template: nodes.Template) -> int:
    """Line of the first use of a variable."""
    uses = (node.lineno for node in template.find_all(nodes.Name) if node.name == name)
    return next(uses, 1)


def is_blank(node: nodes.Node) -> bool:
    """Whether a node writes white space only."""
    return isinstance(node, nodes.Output) and all(
        isinstance(part, nodes.TemplateData) and not part.data.strip() for part in node.nodes
    )


def deciding_tokens(text: str) -> Iterator[tuple[str, str]]:
    """Jinja's tokens that decide the rendering, as kind and value.

    Comments and the white space inside `{{ }}` and `{% %}` decide nothing; text that a comment
    interrupts is one token.
    """
    data = ""
    comment = False
    for _, kind, value in JINJA.lex(text):
        comment = kind == "comment_begin" or (comment and kind != "comment_end")
        if kind == "data":
            data += value
        elif not comment and kind not in ("comment_end", "whitespace"):
            if data:
                yield "data", data
            data = ""
            yield kind, value
    yield "data", data
