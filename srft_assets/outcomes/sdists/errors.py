"""Why an instance cannot be graded here; always the machine's or the method's fault."""

from srft_assets.errors import SrftError


class NotBuiltError(SrftError):
    """The task's source or environment cannot be had."""
