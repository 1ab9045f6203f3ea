"""Failures of the sandbox itself."""

from srft_assets.errors import SrftError


class SandboxError(SrftError):
    """The sandbox could not be set up for this command: the machine's failure, not the model's."""
