"""What is asked of the model about some steps, until it is answered or given up."""

from dataclasses import dataclass, field

from srft_assets.critic.answer.parse import BadAnswer, again, parse
from srft_assets.critic.call import Reply, Request
from srft_assets.critic.spec import LlmSpec
from srft_assets.critic.verdict import Label, Verdict

TRIES = 2
"""A bad answer is asked again once, with the error stated."""


@dataclass(slots=True)
class Exchange:
    """One request, or a second one after a bad answer.

    Attributes:
        place: of the run among those judged.
        spec: of the critic.
        request: what is to be asked next.
        verdicts: one a step of the request, once it is over.
        tokens: of the prompt, estimated.
        bad: kinds of the bad answers so far.
    """

    place: int
    spec: LlmSpec
    request: Request
    tokens: int = 0
    verdicts: list[Verdict] | None = None
    bad: list[str] = field(default_factory=list)

    def take(self, reply: Reply) -> None:
        """Use the answer to `request`; `verdicts` or another `request` follows."""
        answer = parse(reply, self.request, self.spec)
        if not isinstance(answer, BadAnswer):
            self.verdicts = answer
            return
        self.bad.append(str(answer.kind))
        if len(self.bad) < TRIES:
            self.request = again(self.request, reply, answer)
        else:
            self.give_up(answer.reason, reply)

    def give_up(self, reason: str, reply: Reply | None = None) -> None:
        """Leave the steps unlabeled."""
        rule, call = (reply.model, reply.key) if reply else ("", "")
        self.verdicts = unlabeled(self.request.steps, reason, rule, call)


def unlabeled(steps: range, reason: str, rule: str = "", call: str = "") -> list[Verdict]:
    """A verdict that says nothing, for each step."""
    return [Verdict(step, Label.UNLABELED, reason, rule, call) for step in steps]
