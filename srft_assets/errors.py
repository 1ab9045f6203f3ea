"""Failures that a user can act on."""


class SrftError(Exception):
    """A failure told in one line: what is wrong, where, and what to do.

    The command line prints it without a traceback and exits 1.
    """


class UsageError(SrftError):
    """The call itself is wrong; the command line exits 2."""


class SandboxMissingError(SrftError):
    """Commands would have to run outside a sandbox, which nobody allowed."""
