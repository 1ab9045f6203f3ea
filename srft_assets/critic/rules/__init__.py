"""The critic that needs no model: fixed rules over what a run shows of itself.

Each rule is a function `(facts, index) -> reason | None` in `mistakes`, `unnecessary` or
`recover`. SWE-Lego masks by rules of this kind; they are the baseline of every LLM critic.
"""
