"""The critic that needs no model: fixed rules over what a run shows of itself.

SWE-Lego masks by rules of this kind; they are the baseline of every LLM critic.
"""
