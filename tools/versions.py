"""The lock of versions: which code stood behind the VERSION of every stage.

A stage states `VERSION = n` beside its `make`, and so do graders and whatever plays runs; it is
raised when the output changes. Nothing else makes
partitions stale when the platform's own code changes, so that a forgotten VERSION would leave
wrong partitions in place. `tools/versions.lock` therefore holds a digest of every module that a
stage can reach through imports (also those inside functions, and modules that it names as text,
which it starts as processes). `--check` fails where code differs from the lock, and tells which
stages it stands behind. Whoever changed it raises their VERSION, or runs `make versions`, which
runs the tests of tests/golden and then records that the output is the same.

    python tools/versions.py [--check]
"""

import ast
import hashlib
import json
import sys
from pathlib import Path

import grimp

from srft_assets.warehouse.recipe import meaning

LOCK = Path(__file__).with_name("versions.lock")
ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"srft_assets": ROOT, "srft_sdists": ROOT / "plugins" / "srft-sdists"}
"""Package → the folder that it lies in."""


def reach() -> tuple[dict[str, int], dict[str, set[str]]]:
    """By module that states a VERSION: the number, and all modules it reaches."""
    edges = _edges()
    versions = {module: found for module in edges if (found := _version(module)) is not None}
    return versions, {home: _closure(home, edges) for home in versions}


def _version(module: str) -> int | None:
    for node in ast.parse(_path(module).read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name("VERSION")], value=ast.Constant(int(number))):
                return number
    return None


def _edges() -> dict[str, set[str]]:
    """Module → modules that it imports, or names in a text of its own."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)
    edges = {}
    for module in graph.modules:
        named = {
            node.value
            for node in ast.walk(ast.parse(_path(module).read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        edges[module] = graph.find_modules_directly_imported_by(module) | (named & graph.modules)
    return edges


def _closure(root: str, edges: dict[str, set[str]]) -> set[str]:
    """The modules reached from `root`, and the packages that importing them runs."""
    found: set[str] = set()
    queue = [root]
    while queue:
        module = queue.pop()
        if module not in found:
            found.add(module)
            queue += edges[module]
            queue += [module.rpartition(".")[0]] if "." in module else []
    return found


def _path(module: str) -> Path:
    path = PACKAGES[module.partition(".")[0]] / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _digest(module: str) -> str:
    text = meaning(_path(module).read_text(encoding="utf-8"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def trouble(lock: dict[str, dict]) -> list[str]:
    """One line for each module or VERSION that is not as the lock has it."""
    versions, reached = reach()
    lines = []
    for module in sorted(set().union(*reached.values()) | lock["modules"].keys()):
        behind = [home for home in sorted(reached) if module in reached[home]]
        now = _digest(module) if behind else "no longer reached"
        if lock["modules"].get(module) != now:
            lines.append(f"{module} changed; it stands behind {', '.join(behind) or 'no stage'}")
    if versions != lock["versions"]:
        lines.append(f"versions are {versions}, and the lock has {lock['versions']}")
    return lines


def current() -> dict[str, dict]:
    """What the lock would say now."""
    versions, reached = reach()
    modules = sorted(set().union(*reached.values()))
    return {
        "versions": dict(sorted(versions.items())),
        "modules": {module: _digest(module) for module in modules},
    }


def main(arguments: list[str]) -> int:
    """Write the lock, or with `--check` compare it. Exit code 1 where it differs."""
    if arguments != ["--check"]:
        LOCK.write_text(json.dumps(current(), indent=1) + "\n")
        return 0
    lines = trouble(json.loads(LOCK.read_text()))
    for line in lines:
        print(line)
    if lines:
        print("Does an output change? Raise the VERSION of its stage. Then, or else: make versions")
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
