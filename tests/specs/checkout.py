"""A copy of the checkout, whose code, prompts and YAML a test may change."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from srft_assets.home import CHECKOUT, Home
from tests.chain.support import PROGRAM


@dataclass(frozen=True)
class Checkout:
    """`srft` as it runs from the sources below `root`."""

    root: Path

    @staticmethod
    def copy(root: Path) -> "Checkout":
        """The sources as they are, times included, so that compiled files stay valid."""
        for folder in ("srft_assets", "sql", "dagster_home"):
            shutil.copytree(CHECKOUT / folder, root / folder)
        shutil.copy2(CHECKOUT / "pyproject.toml", root)
        return Checkout(root)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that is there once in a file below the root."""
        file = self.root / path
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
        file.write_text(text.replace(old, new))

    def start(self, home: Home, *words: str, program: list[str] = PROGRAM) -> subprocess.Popen:
        """`srft …` on a platform, in a process group of its own, output together."""
        return subprocess.Popen(
            [*program, *words],
            cwd=self.root,
            env={
                **os.environ,
                "PYTHONPATH": str(self.root),
                "SRFT_HOME": str(home.root),
                "DAGSTER_HOME": str(home.dagster),
                "COLUMNS": "200",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def srft(self, home: Home, *words: str) -> str:
        """Run `srft …` to its end; what it printed. Fails the test where it exits with an error."""
        process = self.start(home, *words)
        printed, _ = process.communicate(timeout=200)
        assert process.returncode == 0, printed
        return printed
