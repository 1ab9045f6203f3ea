"""Draw what a command prints: `python -m tools.picture docs/status.svg srft status`."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 90


def picture(words: list[str], printed: str) -> str:
    """An SVG of a terminal with the command and what it printed, colours included."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text(f"$ {' '.join(words)}"))
    console.print(Text.from_ansi(printed))
    svg = console.export_svg(title=words[0])
    return re.sub(r',\s*url\("https:[^;]*', "", svg)  # fonts of another server


def main(target: str, *words: str) -> None:
    """Run the command, and write the picture where it ended well."""
    env = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH)}
    done = subprocess.run(words, env=env, stdout=subprocess.PIPE, text=True, check=True)
    printed = done.stdout.replace(str(Path.cwd().parent), "/home/me")
    Path(target).write_text(picture(list(words), printed), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
