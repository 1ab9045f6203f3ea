"""The product as a user has it: a copy of the checkout, a home, and the command line."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent.parent
COPIED = ("srft_assets", "sql", "dagster_home", "plugins", "pyproject.toml", "srft.yaml")
"""What the product is made of; what is not there (yet) is left out."""
COST = ("answered", "calls", "exact", "tokens_to_label", "tokens_to_train", "usd")
"""What a plan tells of costs that hangs on no file's size and no GPU."""
DRIVER = Path(__file__).with_name("driver.py")


@dataclass(frozen=True)
class Product:
    """`root/product` holds the sources, which a test may edit, `home` all state."""

    root: Path
    home: Path
    sources: Path
    """Where runs to ingest lie; copies share it, because batches name their files."""

    @staticmethod
    def copy(root: Path) -> "Product":
        """The checkout as it is, compiled files included, with an empty home."""
        target = root / "product"
        target.mkdir(parents=True)
        for name in COPIED:
            source = CHECKOUT / name
            if source.is_dir():
                shutil.copytree(source, target / name)
            elif source.exists():
                shutil.copy2(source, target)
        return Product(root, root / "home", root / "runs")

    def again(self, root: Path, state: bool = False) -> "Product":
        """Another copy of these sources, on the same home or, if asked, on a copy of it."""
        shutil.copytree(self.root / "product", root / "product")
        if not state:
            return replace(self, root=root)
        shutil.copytree(self.home, root / "home")
        return replace(self, root=root, home=root / "home")

    @property
    def defs(self) -> Path:
        """The YAML folders: `critics/<name>/`, `arms/<name>/`."""
        return self.root / "product" / "srft_assets" / "defs"

    def arms(self, attributes: Mapping[str, str]) -> None:
        """Let there be these arms and no others."""
        shutil.rmtree(self.defs / "arms")
        for name, lines in attributes.items():
            path = self.defs / "arms" / name / "defs.yaml"
            path.parent.mkdir(parents=True)
            indented = "".join(f"  {line}\n" for line in lines.splitlines())
            path.write_text(f"type: srft_assets.components.arm.Arm\n\nattributes:\n{indented}")

    def critic(self, name: str, like: str | None = None, **lines: str) -> None:
        """State lines of a critic's YAML, in the place of those with their keys.

        `like` names the critic whose folder, prompt included, a new one begins with.
        """
        folder = self.defs / "critics" / name
        if like is not None:
            shutil.copytree(self.defs / "critics" / like, folder)
        path = folder / "defs.yaml"
        kept = [
            line
            for line in path.read_text().splitlines()
            if line.strip().partition(":")[0] not in lines
        ]
        stated = [f"  {key}: {value}" for key, value in lines.items()]
        path.write_text("\n".join([*kept, *stated, ""]))

    def edit(self, path: Path, old: str, new: str) -> None:
        """Replace a text that is there once."""
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
        path.write_text(text.replace(old, new))

    def run(self, commands: Iterable[Sequence[str]], fails: bool = False) -> list[str]:
        """Run `srft …` for each; what each printed to standard output."""
        commands = [list(map(str, words)) for words in commands]
        done = subprocess.run(
            [sys.executable, DRIVER],
            input=json.dumps(commands),
            cwd=self.root / "product",
            env={
                **{key: value for key, value in os.environ.items() if not key.startswith("SRFT_")},
                "PYTHONPATH": str(self.root / "product"),
                "SRFT_HOME": str(self.home),
                "DAGSTER_HOME": str(self.home / "dagster_home"),
                "COLUMNS": "200",
            },
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        told = json.loads(done.stdout)
        for words, (code, out, err) in zip(commands, told, strict=True):
            assert fails or code == 0, f"srft {' '.join(words)} ended with {code}\n{out}{err}"
        return [self.nameless(out) for _, out, _ in told]

    def srft(self, *words: str) -> str:
        """Run `srft …`; what it printed."""
        return self.run([words])[0]

    def sql(self, *queries: str) -> list[list[dict[str, Any]]]:
        """The rows of each query."""
        return [
            json.loads(each) for each in self.run(["sql", q, "--format", "json"] for q in queries)
        ]

    def partitions(self) -> dict[str, str]:
        """`asset/partition` → data version, rows and refused inputs."""
        [rows] = self.sql(
            'SELECT asset, "partition" AS name, data_version, rows, refused FROM partitions'
        )
        return {
            f"{row['asset']}/{row['name']}": f"{row['data_version']} "
            f"{row['rows']} rows, {row['refused']} refused"
            for row in rows
        }

    def plan(self, *words: str) -> dict[str, str]:
        """`asset/partition` → state and reason, of what is out of sync; and what it costs."""
        told = json.loads(self.srft("plan", "--json", *words))
        found = {}
        for each in told["partitions"]:
            why = "; ".join(each["why"]) or (f"for {each['behind']}" if each["behind"] else "")
            why = re.sub(r'(gold people: null → )"[0-9a-f]{16}"', r"\1DIGEST", why)
            found[f"{each['asset']}/{each['partition']}"] = f"{each['state']}: {why}".rstrip(": ")
        away = {name: told for name, told in found.items() if told != "in sync"}
        cost = {name: told["cost"][name] for name in COST}
        return {**away, "in sync": len(found) - len(away), "cost": cost}

    def nameless(self, text: str) -> str:
        """The text without the folders of this machine."""
        return text.replace(str(self.home), "HOME").replace(str(self.root), "ROOT")
