"""What must hold of a step's tokens before they are trained."""

from srft_assets.tokens.encoded import Encoded
from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.render import Rendering
from srft_assets.tokens.row import Span
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.tokens.turns import Turn
from srft_assets.tokens.vocabulary import SPACE


def verify(
    span: Span, turn: Turn, rendering: Rendering, tokens: Encoded, template: ChatTokenizer
) -> None:
    """The span ends with the end-of-turn token; if trained, it decodes to the turn's text.

    Raises RunRefusedError.
    """
    ids = tokens.ids[span.start : span.end]
    where = f"step {span.step_index}"
    if not len(ids) or int(ids[-1]) != template.special_ids[turn.terminator]:
        raise RunRefusedError(f"{where} does not end with its end-of-turn token {turn.terminator}")
    if not span.trained:
        return
    start = max(turn.start, tokens.char_of(span.start))
    if melted := rendering.text[turn.start : start].strip():
        raise RunRefusedError(
            f"{melted!r}, the first characters of {where}, melt into the last token of the "
            "generation prompt; let the chat template end it with a line break or a special token"
        )
    if not tokens.exact:
        _check_decodes(ids.tolist(), rendering.text[start : turn.end], where, template)


def _check_decodes(ids: list[int], text: str, where: str, template: ChatTokenizer) -> None:
    """By the tokenizer's own decoder, to the text as its own normalizer leaves it."""
    decoded = template.decode(ids)
    normal = template.normalized(text)
    said = {text, normal, normal.replace(SPACE, " ")}
    if template.prepends_space:
        said |= {f" {one}" for one in said} | {one.removeprefix(" ") for one in said}
    if decoded not in said:
        at = next((i for i, (a, b) in enumerate(zip(decoded, text, strict=False)) if a != b), 0)
        raise RunRefusedError(
            f"the tokens of {where} do not decode to its text: "
            f"{decoded[at : at + 20]!r} for {text[at : at + 20]!r}"
        )
