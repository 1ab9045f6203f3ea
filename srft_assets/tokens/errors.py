"""Why a run has no masked row."""

from srft_assets.errors import SrftError


class RunRefusedError(SrftError):
    """This run cannot be rendered or masked exactly; the rest of the batch goes on."""


class TemplateFailedError(RunRefusedError):
    """The chat template raises on this run."""
