"""Failures that a user can act on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class SrftError(Exception):
    """A failure told in one line: what is wrong, where, and what to do.

    The command line prints it without a traceback and exits 1.
    """


class UsageError(SrftError):
    """The call itself is wrong; the command line exits 2."""


class SandboxMissingError(SrftError):
    """Commands would have to run outside a sandbox, which nobody allowed."""


def first_problem(error: "ValidationError") -> str:
    """Where a value first departs from its model, and how: `tasks.0.count: Field required`."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
