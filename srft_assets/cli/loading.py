"""Loading the definitions, and telling in one line what is wrong with a YAML or a prompt."""

from typing import TYPE_CHECKING

from srft_assets.errors import SrftError

if TYPE_CHECKING:
    import dagster as dg


def load_definitions() -> "dg.Definitions":
    """The whole platform. Raises SrftError with the reason, less Dagster's tree of components."""
    from srft_assets.definitions import defs

    try:
        return defs()
    except Exception as error:  # whatever a component raises, Dagster wraps it
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if cause is error and not isinstance(error, SrftError):
            raise
        name = "" if isinstance(cause, SrftError) else f"{type(cause).__name__}: "
        raise SrftError(f"the definitions cannot be loaded: {name}{cause}") from error
