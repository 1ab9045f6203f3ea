"""The ledger of the small warehouse: six calls of two critics, each a case of its own.

Answered; refused; cut; answered on the next day; Unicode broken.
"""

from dataclasses import replace

from srft_assets.critic.calls import write_calls
from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from tests.critic.ledger_support import reply

CALLS = 6
REPLIES = (
    reply(1, critic="strict"),
    reply(2, critic="strict", content=None, refusal="no"),
    reply(3, content='{"steps": [', finish_reason="length"),
    reply(4),
    reply(5, at="2026-11-24T00:30:00+01:00"),
    reply(6, at="2026-11-24T00:00:00Z", content="a\ud800\x00\x1b[31m"),
)


def fill_ledger(home: Home) -> None:
    """Keep the replies, and write them as partitions of `critic_calls`."""
    with Ledger(home) as ledger:
        for each in REPLIES:
            ledger.keep(replace(each, batch="batch"))
    for critic in ("strict", "default"):
        write_calls(home, critic, "batch")
