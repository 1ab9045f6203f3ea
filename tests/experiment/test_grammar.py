"""Modules are understood without being run, and only where that is exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.experiment.grammar import NotPlainError, plain_functions

SIGNS = ("+", "-", "*", "//", "%", "<", "<=", ">", ">=", "==", "!=")
atoms = st.sampled_from(["a", "b", "gone"]) | st.integers(0, 99).map(str)
expressions = st.recursive(
    atoms,
    lambda one: st.tuples(one, st.sampled_from(SIGNS), one).map("({0[0]} {0[1]} {0[2]})".format),
)


def outcome(call):
    try:
        return repr(call())
    except (NameError, ZeroDivisionError) as error:
        return f"{type(error).__name__}: {error}"


@given(expressions, st.integers(0, 30), st.integers(0, 30))
def test_a_plain_expression_gives_what_python_gives(text, a, b):
    function = plain_functions(f"def f(a, b):\n    return {text}\n")["f"]
    expected = outcome(lambda: eval(text, {}, {"a": a, "b": b}))  # noqa: S307 made above
    assert outcome(lambda: function.call((a, b))) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('id')",
        "open('/etc/passwd')",
        "().__class__",
        "a.b",
        "a[0]",
        "9 ** 9 ** 9",
        "1 << 999999999",
        "10000000000",
        "[a for a in a]",
        "lambda: a",
        "(a := b)",
        "a if b else a",
        "a < b < a",
        "f'{a}'",
        "'text'",
        "1.5",
        "a and b",
        "a in b",
        "print",
        "f",
        "__name__",
        "(yield)",
    ],
)
def test_anything_else_is_left_to_the_sandbox(expression):
    with pytest.raises(NotPlainError):
        plain_functions(f"def f(a, b):\n    return {expression}\n")


@pytest.mark.parametrize(
    "source",
    [
        "import os\n",
        "x = 1\n",
        "def f(a):\n    a = 1\n    return a\n",
        "def f(a=1):\n    return a\n",
        "def f(*a):\n    return a\n",
        "def f(a: int):\n    return a\n",
        "@f\ndef f(a):\n    return a\n",
        "def f(a):\n    return\n",
        "def f(a):\n    return a\ndef f(a):\n    return a\n",
        "class A:\n    pass\n",
        "def f(a):\n    return a is 1\n",
        "def f(a):\n    return (" + "a + " * 9000 + "a)\n",
    ],
)
def test_other_modules_are_left_to_the_sandbox(source):
    with pytest.raises(NotPlainError):
        plain_functions(source)


@pytest.mark.parametrize("body", ["return a a", "return (a", "return a +", "return", "a = = 1"])
def test_what_python_cannot_import_is_the_same_syntax_error(body):
    source = f"def f(a):\n    {body} a b\n"
    with pytest.raises(SyntaxError) as expected:
        compile(source, "x", "exec")
    with pytest.raises(SyntaxError) as found:
        plain_functions(source)
    assert found.value.msg == expected.value.msg
