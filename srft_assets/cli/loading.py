"""Loading the definitions, and telling in one line what is wrong with a YAML or a prompt."""

from pathlib import Path
from typing import TYPE_CHECKING

from srft_assets.cli.component_files import trouble_in
from srft_assets.errors import SrftError

if TYPE_CHECKING:
    import dagster as dg

DEFS = Path(__file__).parent.parent / "defs"


def load_definitions() -> "dg.Definitions":
    """The whole platform. Raises SrftError with the reason, less Dagster's tree of components."""
    from srft_assets.definitions import defs

    try:
        return defs()
    except Exception as error:  # whatever a component raises, Dagster wraps it
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        told = _told(cause) or trouble_in(DEFS)
        if told is None and cause is error:
            raise
        told = told or f"{type(cause).__name__}: {cause}"
        raise SrftError(f"the definitions cannot be loaded: {told}") from error


def _told(cause: BaseException) -> str | None:
    """The reason, if it names its place. Of wrong settings: which, in which file and line, and what
    may stand there.
    """
    from pydantic import ValidationError

    if isinstance(cause, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg'][:1].lower()}{one['msg'][1:]}"
            for one in cause.errors()
        )
    return str(cause) if isinstance(cause, SrftError) else None
