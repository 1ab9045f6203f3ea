"""Loading the definitions, and telling in one line why Dagster cannot."""

from typing import TYPE_CHECKING

from srft_assets.errors import SrftError

if TYPE_CHECKING:
    import dagster as dg


def load_definitions() -> "dg.Definitions":
    """The whole platform. Raises SrftError with the reason, less Dagster's tree of components.

    Files of critics and arms were read before, with errors of their own: what fails here is a
    component or a Python file that somebody added, or a fault of ours, which keeps its traceback.
    """
    from srft_assets.definitions import defs

    try:
        return defs()
    except Exception as error:  # whatever a component raises, Dagster wraps it
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if cause is error and not isinstance(error, SrftError):
            raise
        told = str(cause) if isinstance(cause, SrftError) else f"{type(cause).__name__}: {cause}"
        raise SrftError(f"Dagster cannot load the definitions: {told}") from error
