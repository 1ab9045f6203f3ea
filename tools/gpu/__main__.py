"""A report of this platform on GPUs: critic by vLLM, training, TRL's packing, a game.

    python -m tools.gpu [--base MODEL] [--critic MODEL] [--runs 50] [--steps 20] [--out FILE]

Everything goes through the commands that people use, on a platform in a folder of its own. A part
that fails is told in the report, and the others go on; one that needs what is not here is skipped.
Without a GPU nothing is measured: it says so, and exits 0. `--device cpu` runs the same parts with
the tiny model, for the tests. The report is Markdown, to be pasted whole.
"""

import argparse
import logging
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from srft_assets.devices import Device, driver_gpus, torch_build, training_gpus
from tools.gpu.parts import PARTS, Failed, Part, Skipped, Stated, prepare

PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "vllm",
    "flash-attn",
    "srft-assets",
)
FAILED = "FAILED"


@dataclass
class Told:
    """What became of a part."""

    name: str
    figures: dict[str, object] = field(default_factory=dict)
    note: str = ""


def main() -> None:
    """Measure, and write the report."""
    stated = _stated()
    gpus = training_gpus()
    if stated.device == "cuda" and not gpus:
        print(f"no GPU: nothing was measured; {_why()}")
        return
    prepare(stated)
    parts = [_run(part, stated) for part in PARTS]
    text = report(parts, stated, gpus)
    stated.out.write_text(text)
    print(text)
    print(f"written to {stated.out}; all state is in {stated.folder}", file=sys.stderr)
    sys.exit(any(told.note.startswith(FAILED) for told in parts))


def _stated() -> Stated:
    parser = argparse.ArgumentParser(
        prog="python -m tools.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--base", default="Qwen/Qwen2.5-Coder-1.5B-Instruct")
    parser.add_argument("--critic", default="Qwen/Qwen3-8B")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--max-length", type=int, default=8192)
    parser.add_argument("--game-steps", type=int, default=16)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--out", type=Path, default=Path("gpu-report.md"))
    parser.add_argument("--folder", type=Path, help="of all state; by default a new one")
    found = vars(parser.parse_args())
    folder = found.pop("folder") or Path(tempfile.mkdtemp(prefix="srft-gpu-"))
    return Stated(folder=folder.absolute(), gpus=len(training_gpus()), **found)


def _why() -> str:
    seen, build = driver_gpus(), torch_build()
    if build is None:
        return "torch is not installed: make setup"
    if seen:
        return f"the driver shows {seen[0].name}, which torch {build} was not built for"
    return f"torch {build} sees none, and the driver shows none"


def _run(part: Part, stated: Stated) -> Told:
    print(f"— {part.__name__}", file=sys.stderr)
    try:
        return Told(part.__name__, part(stated))
    except Skipped as reason:
        return Told(part.__name__, note=f"skipped: {reason}")
    except Failed as reason:
        return Told(part.__name__, note=f"{FAILED}: {reason}")
    except Exception as error:  # what was paid for a machine with GPUs is not lost to one part
        logging.exception(part.__name__)
        return Told(part.__name__, note=f"{FAILED}: {type(error).__name__}: {error}")


def report(parts: list[Told], stated: Stated, gpus: list[Device]) -> str:
    """Markdown: the machine, and a line for each figure."""
    lines = ["# srft on GPUs" if gpus else "# srft, the parts of its GPU report on a CPU", ""]
    lines += [f"- {name}: {value}" for name, value in machine(stated, gpus).items()]
    lines += ["", "| part | figure | |", "| --- | --- | ---: |"]
    for told in parts:
        cells = told.figures or {"": told.note}
        lines += [f"| {told.name} | {_cell(name)} | {_cell(cells[name])} |" for name in cells]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    text = str(value)
    if isinstance(value, float):
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("|", "\\|").replace("\n", " ")


def machine(stated: Stated, gpus: list[Device]) -> dict[str, object]:
    """What it ran on, with the versions of what counts."""
    names = [f"{gpu.name} ({gpu.bytes / 2**30:.0f} GiB)" for gpu in gpus]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "GPUs": ", ".join(names) or "none",
        "Python": platform.python_version(),
        **{name: found for name in PACKAGES if (found := _version(name))},
        "commit": commit.stdout.strip() or "unknown",
        "base": stated.base,
        "critic": stated.critic,
        "runs": stated.runs,
        "steps": stated.steps,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
