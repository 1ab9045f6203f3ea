"""Step Rejection Fine-Tuning of coding agents, as Dagster assets seen through DuckDB.

What a notebook needs is here, see docs/notebook.md; it is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srft_assets.notebook import (
        apply,
        batch_names,
        compare_arms,
        export,
        find_run,
        ingest,
        label_steps,
        label_tokens,
        load_tokenizer,
        mask_run,
        open_home,
        plan,
        read_runs,
        show_run,
        sql,
    )

__version__ = "0.1.0"

__all__ = [
    "apply",
    "batch_names",
    "compare_arms",
    "export",
    "find_run",
    "ingest",
    "label_steps",
    "label_tokens",
    "load_tokenizer",
    "mask_run",
    "open_home",
    "plan",
    "read_runs",
    "show_run",
    "sql",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}.notebook"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
