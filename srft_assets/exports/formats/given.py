"""The messages of a run as the template of its model is given them, for trainers that render."""

from collections.abc import Mapping, Sequence
from typing import Any

from srft_assets.exports.source import Conversation, UnfitError
from srft_assets.tokens.calls import ArgumentsError
from srft_assets.tokens.template import TEMPLATE_ERRORS, for_template, forms, suitable_template
from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message


class TemplateReader:
    """A trainer that renders with the template of the model; it needs no settings for it."""

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        self.tokenizer = tokenizer
        self.settings: dict[str, Any] = {}


def given_messages(chat: Conversation, tokenizer: ChatTokenizer) -> list[Message]:
    """As they were given to the template when the run was masked, arguments as objects.

    Tools and calls are in the content for a template that knows none. Raises UnfitError.
    """
    template = suitable_template(tokenizer, chat.tools)
    source, opened = template.source, template.opens_thinking
    form = forms(source, chat.messages)[0]
    try:
        return for_template(chat.messages, form, source, chat.tools, opened)
    except ArgumentsError as error:  # a template that takes text was given them as they were made
        kind = "the trainer reads the arguments of calls, and would write these otherwise"
        raise UnfitError(kind, str(error)) from error
    except RunRefusedError as error:
        raise UnfitError("the run could not be masked now", str(error)) from error


def check_same_text(
    chat: Conversation, tokenizer: ChatTokenizer, handed: Sequence[Mapping[str, Any]]
) -> None:
    """Raises UnfitError unless the template writes the same of what a trainer hands it."""
    template = suitable_template(tokenizer, chat.tools)
    try:
        told = template.apply([dict(message) for message in handed], chat.tools)
        masked = template.apply(given_messages(chat, tokenizer), chat.tools)
    except TEMPLATE_ERRORS as error:
        kind = "the chat template fails on the chat as the trainer hands it on"
        raise UnfitError(kind, str(error)) from error
    if told != masked:
        raise UnfitError("the chat template writes the chat otherwise from what the format holds")
