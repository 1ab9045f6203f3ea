"""Code digests: the meaning of code, not its layout."""

import importlib
import sys
from pathlib import Path

import pytest

from srft_assets.warehouse.code import code_digest

PLAIN = 'def f(x):\n    """Doubles."""\n    return x * 2  # twice\n'


@pytest.fixture
def digest_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The digest of a module that holds this text."""
    monkeypatch.syspath_prepend(tmp_path)

    def digest(text: str, name: str = "probe_module") -> str:
        (tmp_path / f"{name}.py").write_text(text)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        code_digest.cache_clear()
        return code_digest(name)

    return digest


def test_comments_docstrings_and_layout_do_not_count(digest_of) -> None:
    assert digest_of(PLAIN) == digest_of("# new\n\n\ndef f(x):\n    'Other.'\n\n    return (x*2)\n")


@pytest.mark.parametrize("change", ["return x * 3", "return 2 * x", "return x * 2.0"])
def test_meaning_counts(digest_of, change: str) -> None:
    assert digest_of(PLAIN) != digest_of(PLAIN.replace("return x * 2", change))


def test_a_function_whose_body_is_only_a_docstring_is_understood(digest_of) -> None:
    assert digest_of('class A:\n    """Only words."""\n') != digest_of("class B:\n    pass\n")


def test_a_package_stands_for_its_modules(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "probe_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "inner.py").write_text("x = 1\n")
    importlib.invalidate_caches()
    code_digest.cache_clear()
    before = code_digest("probe_package")
    (folder / "inner.py").write_text("x = 2\n")
    code_digest.cache_clear()
    assert code_digest("probe_package") != before


def test_an_unknown_module_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError):
        code_digest("no_such_module_at_all")
