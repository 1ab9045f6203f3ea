"""Why a call has no answer."""

from enum import StrEnum

from srft_assets.errors import SrftError


class Kind(StrEnum):
    """What has to be mended: the request, the endpoint's settings, or nothing but time."""

    BAD_REQUEST = "bad_request"
    TOO_LONG = "too_long"
    FORBIDDEN = "forbidden"
    AUTH = "auth"
    MODEL = "model"
    ENDPOINT = "endpoint"
    QUOTA = "quota"
    UNAVAILABLE = "unavailable"


HOPELESS = frozenset({Kind.AUTH, Kind.MODEL, Kind.ENDPOINT, Kind.QUOTA})
"""What one call meets, every other call meets too: nothing more is asked."""


class CallError(SrftError):
    """A call that got no answer, told without any secret.

    Attributes:
        kind: what has to be mended.
        reason: one line for people.
    """

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class TransientError(CallError):
    """An attempt that may go better the next time.

    Attributes:
        pause: seconds that the server asks to wait; None where it does not say.
    """

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(Kind.UNAVAILABLE, reason)
        self.pause = pause


class BudgetSpentError(SrftError):
    """The budget allows no further call; what was answered is kept."""
