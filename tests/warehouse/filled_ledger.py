"""The ledger of the small warehouse: six calls of two critics, each a case of its own.

Answered; refused; cut; answered twice, the second time later and by another model; answered on
the next day, Unicode broken; answered and since compacted.
"""

from srft_assets.critic.ledger.compaction import compact
from srft_assets.critic.ledger.ledger import Ledger
from srft_assets.home import Home
from tests.critic.ledger_support import reply

CALLS = 6


def fill_ledger(home: Home) -> None:
    """Write one compacted file and two files of writers, the second with a torn last line."""
    with Ledger(home.ledger) as ledger:
        ledger.append(reply(1, critic="strict"))
    compact(home.ledger)
    with Ledger(home.ledger) as one, Ledger(home.ledger) as two:
        two.append(reply(2, critic="strict", content=None, refusal="no"))
        two.append(reply(3, content='{"steps": [', finish_reason="length"))
        two.append(reply(4, at="2026-11-23T10:00:59+00:00", model="other", content="later"))
        one.append(reply(4))
        one.append(reply(5, at="2026-11-24T00:30:00+01:00"))
        one.append(reply(6, at="2026-11-24T00:00:00Z", content="a\ud800\x00\x1b[31m"))
        one.append(reply(7))
    torn = next(path for path in home.ledger.glob("*.jsonl") if b"django-7" in path.read_bytes())
    torn.write_bytes(torn.read_bytes()[:-30])
