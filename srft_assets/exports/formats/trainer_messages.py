"""Chats whose messages say whether they are trained, in the fields that a trainer reads.

The trainer renders the chats itself, so what it trains is not verified here: docs/exports.md says
what each makes of them. Fields are those of LLaMA-Factory's v1 `Message`, of ms-swift's
`RowPreprocessor`, slime's `MultiTurnLossMaskGenerator`, torchtune's `Message.from_dict` and verl's
`MultiTurnSFTDataset`. What a field cannot say is refused, never left out.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

import pyarrow as pa

from srft_assets.exports import FormatName
from srft_assets.exports.formats.given import TemplateReader, check_same_text, given_messages
from srft_assets.exports.formats.messages import plain_message
from srft_assets.exports.source import Conversation, Masked, UnfitError, conversation_of
from srft_assets.exports.writer import Format, Record
from srft_assets.tokens.calls import ArgumentsError, as_json, call_of
from srft_assets.tokens.token_labels import Span
from srft_assets.trajectories.model import Message

STRING = pa.string()
KEPT = ("role", "reasoning_content")
"""Of a message what LLaMA-Factory hands on as it is."""

LLAMAFACTORY = """\
```yaml
model: MODEL
train_dataset: FOLDER/data
cutoff_len: {longest}
output_dir: OUTPUT
```

`USE_V1=1 llamafactory-cli sft FILE`. `loss_weight` is the loss weight of a message. LLaMA-Factory
makes one sample of each trained turn with all that was before it, renders both with the template of
the model, and refuses a template that is not prefix-stable. `tools` are JSON text."""

MS_SWIFT = """\
```console
$ swift sft --model MODEL --dataset FOLDER/data/train-00000-of-00001.jsonl \\
    --loss_scale default --is_binary_loss_scale false --max_length {longest}
```

`loss` says whether a message is trained, `loss_scale` its loss weight (from ms-swift 4.2 on).
ms-swift writes calls and tools by its own `--agent_template`. Name every file of `data`."""

SLIME = """\
```console
$ python train_async.py --rollout-function-path slime.rollout.sft_rollout.generate_rollout \\
    --prompt-data FOLDER/data/train-00000-of-00001.jsonl --input-key messages --tool-key tools \\
    --loss-type sft_loss --loss-mask-type qwen --calculate-per-token-loss \\
    --disable-compute-advantages-and-returns --debug-train-only --hf-checkpoint MODEL
```

`step_loss_mask` says whether a message is trained. slime tokenizes message by message, and knows
Qwen's templates only. With Qwen3 `--loss-mask-type qwen3` puts an empty thinking into each turn and
trains it; `qwen` does not."""

TORCHTUNE = """\
```python
from torchtune.data import Message
from torchtune.datasets import SFTDataset

def messages(row):
    return {"messages": [Message.from_dict(message) for message in row["messages"]]}

rows = SFTDataset(
    source="FOLDER", split="train", message_transform=messages, model_transform=TOKENIZER
)
```

`TOKENIZER` is torchtune's tokenizer of the model. `masked` says whether a message is left out of
the loss; a message that is not is trained with its header."""

VERL_LOADING = """\
```console
$ torchrun --nproc_per_node=8 -m verl.trainer.sft_trainer model.path=MODEL \\
    data.train_files=FOLDER/data/train-00000-of-00001.parquet \\
    data.messages_key=messages data.max_length={longest}
```

verl trains every assistant message. A chat therefore ends before its first masked step: the trained
steps behind that are not in it."""


def _told(masked: Masked, reader: TemplateReader) -> tuple[Conversation, list[Message]]:
    """The chat up to its last step, and its messages as the model's template is given them."""
    chat = conversation_of(masked)
    return chat, given_messages(chat, reader.tokenizer)


def _tools(chat: Conversation, reader: TemplateReader) -> list[dict[str, Any]] | None:
    """None also where the messages tell them, for a template that cannot."""
    return chat.tools if "tools" in reader.tokenizer.template(chat.tools) else None


def _weight(span: Span | None) -> float:
    return span.loss_weight if span else 0.0


def _llamafactory(masked: Masked, reader: TemplateReader) -> Iterator[Record]:
    """Raises UnfitError where the template writes ids or names, for which there is no field."""
    chat, given = _told(masked, reader)
    if not chat.trained:
        return
    check_same_text(chat, reader.tokenizer, [_as_llamafactory(message) for message in given])
    tools = _tools(chat, reader)
    parts = [_parts(at, message, chat.turns.get(at)) for at, message in enumerate(given)]
    yield {"messages": parts, "tools": as_json(tools) if tools else None}


def _as_llamafactory(message: Message) -> Message:
    """What LLaMA-Factory hands to the template of the parts of a message."""
    kept: Message = {key: message[key] for key in KEPT if key in message}
    kept["content"] = message.get("content") or ""
    calls = [{key: call[key] for key in ("type", "function")} for call in _calls(message)]
    return {**kept, "tool_calls": calls} if calls else kept


def _calls(message: Message) -> list[dict[str, Any]]:
    return message.get("tool_calls") or []


def _parts(place: int, message: Message, span: Span | None) -> dict[str, Any]:
    thought = message.get("reasoning_content")
    content = [{"type": "reasoning", "value": thought}] if thought else []
    content.append({"type": "text", "value": message.get("content") or ""})
    content += [{"type": "tool_call", "value": as_json(one["function"])} for one in _calls(message)]
    return {"role": message["role"], "content": content, "loss_weight": _weight(span)}


def _ms_swift(masked: Masked, _: object = None) -> Iterator[Record]:
    """A step is its words, then each of its calls; all of them say the same.

    The chat ends with its last trained step: ms-swift trains the end of the last turn whatever its
    flag. Raises UnfitError where two steps with calls follow each other and only one is trained: of
    calls in a row ms-swift reads the first flag only.
    """
    chat = conversation_of(masked)
    if not chat.trained:
        return
    last = max(place for place, span in chat.turns.items() if span.trained)
    rows: list[dict[str, Any]] = []
    for place, message, span in islice(chat.told(), last + 1):
        rows += _swift_messages(plain_message(place, message, span), _weight(span))
    for one, other in pairwise(rows):
        if one["role"] == other["role"] == "tool_call" and one["loss"] != other["loss"]:
            raise UnfitError("two steps of calls in a row have different labels")
    yield {"messages": rows, **({"tools": as_json(chat.tools)} if chat.tools else {})}


def _swift_messages(plain: dict[str, Any], weight: float) -> Iterator[dict[str, Any]]:
    if plain["reasoning_content"]:
        raise UnfitError("a message has thinking, which the format has no field for")
    if plain["role"] != "assistant":
        role = "tool_response" if plain["role"] == "tool" else plain["role"]
        yield {"role": role, "content": plain["content"]}
        return
    flags = {"loss": weight > 0, "loss_scale": weight}
    if plain["content"] or not plain["tool_calls"]:
        yield {"role": "assistant", "content": plain["content"], **flags}
    for call in plain["tool_calls"] or []:
        try:
            name, arguments = call_of(call)
        except ArgumentsError as error:
            kind = "the trainer reads the arguments of calls, and would write these otherwise"
            raise UnfitError(kind, str(error)) from error
        content = as_json({"name": name, "arguments": arguments})
        yield {"role": "tool_call", "content": content, **flags}


def _slime(masked: Masked, reader: TemplateReader) -> Iterator[Record]:
    """A `step_loss_mask` stands at every message of the assistant; without one it is trained."""
    chat, given = _told(masked, reader)
    if not chat.trained:
        return
    messages = [dict(message) for message in given]
    for place, message in enumerate(messages):
        if message["role"] == "assistant":
            message["step_loss_mask"] = int(_weight(chat.turns.get(place)) > 0)
    tools = _tools(chat, reader)
    yield {"messages": messages, **({"tools": tools} if tools else {})}


def _torchtune(masked: Masked, _: object = None) -> Iterator[Record]:
    """Raises UnfitError for what `validate_messages` refuses, and for calls, which are no text."""
    chat = conversation_of(masked)
    if not chat.trained:
        return
    if chat.tools:
        raise UnfitError("torchtune has no field for the tools that the run was offered")
    messages = []
    before = "assistant"
    for place, message, span in chat.told():
        plain = plain_message(place, message, span)
        role = plain["role"]
        if plain["tool_calls"] or plain["reasoning_content"] or role == "tool":
            raise UnfitError("torchtune takes an answer of text, without calls or thinking")
        if (role == "assistant") != (before == "user") or (role == "system" and place):
            raise UnfitError("torchtune takes a question and an answer in turn", f"message {place}")
        masked_out = span is None or not span.trained
        messages.append({"role": role, "content": plain["content"], "masked": masked_out})
        before = role
    yield {"messages": messages}


def _verl(masked: Masked, reader: TemplateReader) -> Iterator[Record]:
    """The chat before its first masked step; none where that is the first of all.

    Raises UnfitError for tools, calls and thinking: Parquet would add keys to them.
    """
    chat = conversation_of(masked)
    places = sorted(chat.turns)
    masked_steps = [place for place in places if not chat.turns[place].trained]
    first = min(masked_steps, default=len(chat.messages))
    kept = [place for place in places if place < first]
    others = [at for at, one in enumerate(chat.messages) if one["role"] == "assistant"]
    if not kept:
        return
    if any(place < kept[-1] and place not in chat.turns for place in others):
        raise UnfitError("verl would train an assistant message that is no step")
    chat = replace(chat, messages=chat.messages[: kept[-1] + 1])
    if _tools(chat, reader):
        raise UnfitError("verl reads tools from Parquet, which adds keys to their schemas")
    given = given_messages(chat, reader.tokenizer)
    cells = [{"role": one["role"], "content": one.get("content") or ""} for one in given]
    check_same_text(chat, reader.tokenizer, cells)
    yield {"messages": cells}


VERL_MESSAGE = pa.struct({"role": STRING, "content": STRING})
PART = pa.struct({"type": STRING, "value": STRING})
LLAMAFACTORY_MESSAGE = pa.struct(
    {"role": STRING, "content": pa.list_(PART), "loss_weight": pa.float32()}
)

FORMATS = (
    Format(
        FormatName.LLAMAFACTORY,
        _llamafactory,
        LLAMAFACTORY,
        pa.schema({"messages": pa.list_(LLAMAFACTORY_MESSAGE), "tools": STRING}),
        chats=True,
        weights=True,
        reader=TemplateReader,
    ),
    Format(FormatName.MS_SWIFT, _ms_swift, MS_SWIFT, chats=True, weights=True),
    Format(FormatName.SLIME, _slime, SLIME, chats=True, reader=TemplateReader),
    Format(FormatName.TORCHTUNE, _torchtune, TORCHTUNE, chats=True),
    Format(
        FormatName.VERL,
        _verl,
        VERL_LOADING,
        pa.schema({"messages": pa.list_(VERL_MESSAGE)}),
        chats=True,
        reader=TemplateReader,
    ),
)
