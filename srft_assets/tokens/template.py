"""Messages as chat templates expect them, and a model's template applied to them.

As transformers applies it, but on a fixed date.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from jinja2 import Template, TemplateError

from srft_assets.tokens.calls import (
    Arguments,
    Tools,
    calls_of,
    given,
    with_ids_for,
    with_tools_told,
    written_out,
)
from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message

REASONING = ("reasoning_content", "thinking", "reasoning")
"""Names of the field that holds a model's thinking, in the order that transformers reads them."""

PLAIN_KEYS = ("role", "name", "tool_call_id")

THOUGHT = re.compile(r"\s*<think>(.*?)</think>", re.DOTALL)
"""Thinking that a turn's content opens with."""
THOUGHT_OPENED = re.compile(r"(.*?)</think>", re.DOTALL)
"""The same where the generation prompt opened it."""
OPENS_THOUGHT = re.compile(r"<think>\s*\Z")
"""The end of such a generation prompt."""
THINK_TAG = re.compile(r"</?think>")
SPLITS_THOUGHT = re.compile(r"split\(\s*['\"]</think>")
"""A template that takes such thinking out of the content itself."""
READS_THOUGHT = re.compile(r"reasoning_content|\.thinking\b|'thinking'")
"""A template that is given thinking beside the content."""

Spans = list[tuple[int, int]]
"""Half-open ranges of characters."""

RENDER_DATE = datetime(2024, 7, 26)
"""What `strftime_now` tells a template. Llama 3.1 writes today's date into the system prompt: the
same run would give other tokens every day. This is the date its template has for itself."""

TEMPLATE_ERRORS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a template raises on a chat that it was not written for."""

QUESTION: Message = {"role": "user", "content": "?"}
ANSWER: Message = {"role": "assistant", "content": "!"}
"""A plain chat, on which a template shows its tokens."""
END_OF_TOOL_CALLS = frozenset({"<|eom_id|>", "<|call|>"})
"""Llama 3.1 and gpt-oss hand over to a tool with these; not every folder says so."""


class Form(NamedTuple):
    """How messages are handed to a template.

    `silent` is the content of a turn that only calls tools: some templates want None there.
    """

    arguments: Arguments
    silent: str | None = ""


WRITTEN_OUT = Form("written out")
NATIVE = (Form("mapping"), Form("text"), Form("mapping", None), Form("text", None))
"""Most templates want a dict; DeepSeek's want JSON text, and no content beside tool calls."""


def forms(source: str, messages: Sequence[Message]) -> tuple[Form, ...]:
    """The forms to try in turn on a template and a run; the first that renders all of it holds."""
    calling = [message for message in messages if calls_of(message)]
    if "tool_calls" not in source:
        return (WRITTEN_OUT,)
    if not calling:
        return NATIVE[:1]
    silent = any(not message.get("content") for message in calling)
    return NATIVE if silent else NATIVE[:2]


def for_template(
    messages: Sequence[Message],
    form: Form,
    source: str = "",
    tools: Tools = None,
    opened: bool = False,
) -> list[Message]:
    """Copies of the messages with text content and the given form of tool calls.

    Ids of tool calls are those that the model knows (`with_ids_for`). Thinking within the content
    is taken out for a template that writes it itself, and tools are told in the first message for
    one that cannot; `opened` is `opens_thinking`. Raises RunRefusedError for content that is not
    text, and for calls that could not be written as they were made.
    """
    plain = [_convert(at, message, form, source, opened) for at, message in enumerate(messages)]
    if "tools" not in source:
        plain = with_tools_told(plain, tools, form.arguments)
    return with_ids_for(source, plain)


def text_of(content: object, where: str) -> str:
    """Content as one string: None is empty, parts of text are joined.

    Raises RunRefusedError for images and other parts that no token stands for.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_part_text(part, where) for part in content)
    raise RunRefusedError(f"{where} has content of type {type(content).__name__}")


def _convert(index: int, message: Message, form: Form, source: str, opened: bool) -> Message:
    where = f"message {index} ({message.get('role')})"
    plain = {key: message[key] for key in PLAIN_KEYS if message.get(key) is not None}
    plain["content"] = text_of(message.get("content"), where)
    reasoning = next((str(message[key]) for key in REASONING if message.get(key)), "")
    if not reasoning and message.get("role") == "assistant":
        reasoning, plain["content"] = _thought(plain["content"], source, opened)
    if reasoning.strip():
        plain |= {"reasoning_content": reasoning, "thinking": reasoning}
    calls = [given(call, form.arguments) for call in calls_of(message)]
    if calls and form == WRITTEN_OUT:
        plain["content"] = written_out(plain["content"], calls)
    elif calls:
        plain["content"] = plain["content"] or form.silent
        plain["tool_calls"] = calls
    return plain


def _thought(content: str, source: str, opened: bool) -> tuple[str, str]:
    """The thinking within a content, for a template that knows thinking, and the rest."""
    given_beside, splits = READS_THOUGHT.search(source), SPLITS_THOUGHT.search(source)
    found = THOUGHT.match(content) if given_beside or splits else None
    if found is None and splits and opened:
        found = THOUGHT_OPENED.match(content)
    if found is None:
        return "", content
    rest = content[found.end() :]
    return found[1].strip("\n"), rest.lstrip("\n") if given_beside else rest


def _part_text(part: object, where: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return part["text"]
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    raise RunRefusedError(f"{where} holds a part that is not text: {kind}")


@lru_cache(maxsize=16)
def compiled(source: str, marker: Any = None) -> Template:
    """The template in the sandbox that transformers compiles it in, with the date fixed.

    `marker`, a Jinja NodeTransformer, may change the syntax tree; see `trace`.
    """
    # Private: the public `render_jinja_template` takes neither a date nor a syntax tree, and the
    # sandbox for templates of strangers should not exist a second time here.
    from transformers.utils.chat_template_utils import _compile_jinja_template

    environment: Any = _compile_jinja_template(source).environment
    tree = environment.parse(source)
    if marker is not None:
        tree = marker().visit(tree)
        tree.set_environment(environment)
    names = environment.make_globals({"strftime_now": RENDER_DATE.strftime})
    return Template.from_code(environment, environment.compile(tree), names)


@dataclass(frozen=True, eq=False)
class ChatTemplate:
    """A chat template with the tokenizer of its model, and what it shows of itself on plain chats.

    Attributes:
        tokenizer: whose special tokens it writes.
        source: of the template, Jinja.
    """

    tokenizer: ChatTokenizer
    source: str = field(repr=False)

    @property
    def variables(self) -> dict[str, Any]:
        """What a template sees besides messages and tools, as transformers gives it."""
        known = self.tokenizer.hf.special_tokens_map
        return {"documents": None, "add_generation_prompt": False, **known}

    def apply(
        self, messages: Sequence[Message], tools: Tools = None, generation_prompt: bool = False
    ) -> str:
        """The text that `apply_chat_template` gives. Raises `TEMPLATE_ERRORS`."""
        stated = self.variables | {"add_generation_prompt": generation_prompt}
        return compiled(self.source).render(messages=list(messages), tools=tools, **stated)

    def generation_blocks(self, messages: Sequence[Message], tools: Tools) -> Spans | None:
        """What the template's own `{% generation %}` blocks say that the assistant wrote.

        None where it has no such blocks. Raises `TEMPLATE_ERRORS`.
        """
        if "endgeneration" not in self.source:
            return None
        template = compiled(self.source)
        environment: Any = template.environment
        pieces: list[str] = []
        blocks: Spans = []
        with environment.activate_tracker(pieces, blocks):
            given = {"messages": list(messages), "tools": tools, **self.variables}
            for piece in template.generate(**given):
                pieces.append(piece)
        return blocks

    @cached_property
    def generation_prompt(self) -> str:
        """What the template writes after a plain question to ask for an assistant turn.

        Raises RunRefusedError where it changes what comes before.
        """
        try:
            prompt = self._prompt_after([QUESTION], None)
        except TEMPLATE_ERRORS as error:
            told = f"the chat template fails on a plain question: {error}"
            raise RunRefusedError(told) from error
        if prompt is None:
            raise RunRefusedError("the chat template's generation prompt changes what precedes it")
        return prompt

    @property
    def opens_thinking(self) -> bool:
        """Whether the generation prompt opens the thinking, so that a turn may begin within it."""
        try:
            return OPENS_THOUGHT.search(self.generation_prompt) is not None
        except RunRefusedError:
            return False

    def prompts_after(self, messages: Sequence[Message], tools: Tools) -> tuple[str, str | None]:
        """The text that asks for the turn after these messages, and its generation prompt alone.

        For templates whose generation prompt depends on what was said: DeepSeek's closes the tool
        outputs instead of naming the assistant. Raises RunRefusedError where the template fails.
        """
        try:
            asked = self.apply(messages, tools, generation_prompt=True)
            return asked, self._prompt_after(messages, tools)
        except TEMPLATE_ERRORS as error:
            told = f"the chat template fails on the start of a run: {error}"
            raise RunRefusedError(told) from error

    def _prompt_after(self, messages: Sequence[Message], tools: Tools) -> str | None:
        """The generation prompt after these messages; None where asking changes what was said.

        Phi-3 closes a chat that asks for nothing with one more special token, which asking
        replaces.
        """
        before = self.apply(messages, tools)
        after = self.apply(messages, tools, generation_prompt=True)
        if after.startswith(before):
            return after[len(before) :]
        pairs, most = zip(before, after, strict=False), min(len(before), len(after))
        shared = next((at for at, (a, b) in enumerate(pairs) if a != b), most)
        special = self.tokenizer.special_pattern
        cut = [found.start() for found in special.finditer(before)]
        same = max((place for place in cut if place <= shared), default=0)
        return None if special.sub("", before[same:]).strip() else after[same:]

    @cached_property
    def end_tokens(self) -> frozenset[str]:
        """Texts of the special tokens that end a turn of the model.

        They are those at which the model's files say it stops, those of tool calls, and the one
        that the template itself writes after a plain answer; of a template that writes none,
        `next_markers`.
        """
        tokenizer = self.tokenizer
        known = (tokenizer.stop_tokens | END_OF_TOOL_CALLS) & tokenizer.special_ids.keys()
        known |= set(self.next_markers)
        try:
            _, answer, rest = self.apply([QUESTION, ANSWER]).rpartition("!")
        except TEMPLATE_ERRORS:
            return frozenset(known)
        found = tokenizer.special_pattern.match(rest) if answer else None
        return frozenset(known | {found[0]}) if found else frozenset(known)

    @cached_property
    def next_markers(self) -> tuple[str, ...]:
        """The tokens that open the user's and the tool's message, where those alone end a turn.

        GLM's templates close no turn: the model stops by writing the header of who speaks next,
        `<|user|>` behind an answer and `<|observation|>` behind tool calls. Empty for a template
        that closes a plain answer by a token, or by words. The second may be lacking.
        """
        result = {"role": "tool", "tool_call_id": "call_0", "name": "f", "content": "#"}
        call = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": {}}}
        user = self._marker_behind([QUESTION, ANSWER], QUESTION)
        if user is None:
            return ()
        tool = self._marker_behind([QUESTION, {**ANSWER, "tool_calls": [call]}], result)
        return (user, tool) if tool else (user,)

    def _marker_behind(self, chat: list[Message], more: Message) -> str | None:
        """The special token that opens one more message, if the chat before it is left open."""
        try:
            before, after = self.apply(chat).rstrip(), self.apply([*chat, more])
        except TEMPLATE_ERRORS:
            return None
        closed = before.endswith(tuple(self.tokenizer.special_ids))
        if (closed and not chat[-1].get("tool_calls")) or not after.startswith(before):
            return None
        found = self.tokenizer.special_pattern.match(after, len(before))
        return found[0] if found else None

    @cached_property
    def foreign_to_a_turn(self) -> re.Pattern[str]:
        """Matches the special tokens that no model writes within its turn: those flagged special,
        and those that open or end a turn. Others, such as Qwen's `<tool_call>`, it writes itself.
        """
        ids, added = self.tokenizer.special_ids, self.tokenizer.hf.added_tokens_decoder
        found = {text for text, number in ids.items() if added[number].special}
        for chat in ([QUESTION, ANSWER], [{"role": "system", "content": "."}, QUESTION]):
            for asking in (False, True):
                with suppress(*TEMPLATE_ERRORS):
                    text = self.apply(chat, generation_prompt=asking)
                    found.update(self.tokenizer.special_pattern.findall(THINK_TAG.sub("", text)))
        longest_first = sorted(found | self.end_tokens, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


@lru_cache(maxsize=16)
def template_of(tokenizer: ChatTokenizer, source: str) -> ChatTemplate:
    """The template, one for all that ask, so that it is tried once."""
    return ChatTemplate(tokenizer, source)


def suitable_template(tokenizer: ChatTokenizer, tools: Tools) -> ChatTemplate:
    """The tokenizer's template for the tools offered."""
    return template_of(tokenizer, tokenizer.template(tools))
