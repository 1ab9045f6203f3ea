"""Why a run is not in an export."""

from srft_assets.errors import SrftError


class UnfitError(SrftError):
    """The format cannot express this run; the rest goes on.

    Attributes:
        kind: the reason in our own words, the same for all runs refused for it. Nothing of a run
            is in it, so it is counted and printed as it is.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
