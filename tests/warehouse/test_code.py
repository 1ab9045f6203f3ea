"""Digests of code that people extend: its meaning, not its layout, on every Python alike."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from srft_assets.home import CHECKOUT
from srft_assets.warehouse import recipe
from srft_assets.warehouse.recipe import source_digest

PLAIN = 'def f(x):\n    """Doubles."""\n    return x * 2  # twice\n'


@pytest.fixture
def digest_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The digest of a module that holds this text."""
    monkeypatch.syspath_prepend(tmp_path)

    def digest(text: str, name: str = "probe_module") -> str:
        (tmp_path / f"{name}.py").write_text(text)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return source_digest(name)

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
    before = source_digest("probe_package")
    (folder / "inner.py").write_text("x = 2\n")
    assert source_digest("probe_package") != before


def test_an_unknown_module_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError):
        source_digest("no_such_module_at_all")


DIGESTS = """
import hashlib, pathlib, runpy, sys, types
sys.modules["orjson"] = types.ModuleType("orjson")  # not installed there, and not needed here
meaning = runpy.run_path(sys.argv[1])["meaning"]
for path in sorted(pathlib.Path(sys.argv[2]).rglob("*.py")):
    print(path, hashlib.sha256(meaning(path.read_text()).encode()).hexdigest())
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_python_gives_every_module_the_same_digest(version: str) -> None:
    def digests(python: str) -> str:
        words = [python, "-c", DIGESTS, recipe.__file__, str(CHECKOUT / "srft_assets")]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    other = python_of(version)
    ours = digests(sys.executable)
    assert len(ours.splitlines()) > 100
    assert digests(other) == ours


def python_of(version: str) -> str:
    """An interpreter of this version on the machine; skips where there is none."""
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    found = [shutil.which(f"python{version}"), *map(str, pyenv)]
    for path in filter(None, found):
        if subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            return path
    pytest.skip(f"no Python {version} on this machine")
