"""Chat templates with tools, in the syntax of three families, and what they write for a turn."""

import json
from typing import Any

from srft_assets.trajectories.model import Message

LLAMA = """\
{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none %}{{- "Environment: ipython\n" }}{%- endif %}
{{- "Today Date: " + date_string + "\n\n" + system_message + "<|eot_id|>" }}
{%- if tools is not none %}
    {%- if messages | length == 0 %}{{- raise_exception("No first user message!") }}{%- endif %}
    {%- set first_user_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
    {{- '<|start_header_id|>user<|end_header_id|>\n\n' }}
    {%- for t in tools %}{{- t | tojson(indent=4) }}{{- "\n\n" }}{%- endfor %}
    {{- first_user_message + "<|eot_id|>" }}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}
        {{- message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
        {%- if tool_call.name == "python" %}
            {{- "<|python_tag|>" + tool_call.name + ".call(" }}
            {%- for name, value in tool_call.arguments | items %}
                {{- name + '="' + value + '"' }}{%- if not loop.last %}{{- ", " }}{%- endif %}
            {%- endfor %}
            {{- ")<|eom_id|>" }}
        {%- else %}
            {{- '{"name": "' + tool_call.name + '", "parameters": ' }}
            {{- tool_call.arguments | tojson }}{{- "}<|eot_id|>" }}
        {%- endif %}
    {%- else %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"""
"""Llama 3.1 style: today's date; tools in the first question, which no loop writes; content
trimmed; one tool call a turn, after a python tag or as JSON, without the words beside it."""

MISTRAL_TOOLS = """\
{%- set chat = messages %}
{%- if messages[0].role == "system" %}
    {%- set system_message = messages[0].content %}{%- set chat = messages[1:] %}
{%- endif %}
{%- set questions = chat | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for message in chat %}
    {%- if not (message.role == "tool" or message.tool_calls) %}
        {%- if (message.role == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("conversation roles must alternate user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- if system_message is defined %}
    {{- "[SYSTEM_PROMPT]" + system_message + "[/SYSTEM_PROMPT]" }}
{%- endif %}
{%- for message in chat %}
    {%- if message.role == "user" %}
        {%- if tools and message == questions[-1] %}
            {{- "[AVAILABLE_TOOLS]" + tools | tojson + "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {{- "[INST]" + message.content + "[/INST]" }}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- message.content + "[TOOL_CALLS][" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function | tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("Tool call IDs should be alphanumeric, with length 9!") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {{- "]" + eos_token if loop.last else ", " }}
        {%- endfor %}
    {%- elif message.role == "assistant" %}
        {{- message.content + eos_token }}
    {%- else %}
        {%- if not message.tool_call_id is defined or message.tool_call_id|length != 9 %}
            {{- raise_exception("Tool call IDs should be alphanumeric, with length 9!") }}
        {%- endif %}
        {{- '[TOOL_RESULTS]{"content": ' + message.content + ', "call_id": "' }}
        {{- message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- endif %}
{%- endfor %}
"""
"""Mistral (tekken) style: no header, tools before the last question, ids of nine characters."""

DEEPSEEK_TOOLS = """\
{%- set ns = namespace(is_tool=false, is_output_first=true) %}
{{- bos_token }}
{%- for message in messages %}
    {%- if message.role == 'system' %}{{- message.content }}{%- endif %}
    {%- if message.role == 'user' %}
        {%- set ns.is_tool = false %}{{- '<｜User｜>' + message.content }}
    {%- elif message.role == 'assistant' %}
        {{- '<｜tool▁outputs▁end｜>' if ns.is_tool else '<｜Assistant｜>' }}
        {%- set ns.is_tool = false %}
        {%- if message.content is none %}
            {{- '<｜tool▁calls▁begin｜>' }}
            {%- for tool in message.tool_calls %}
                {{- tool.type + tool.function.name + '\n```json\n' + tool.function.arguments }}
                {{- '\n```<｜tool▁call▁end｜>' }}
            {%- endfor %}
            {{- '<｜tool▁calls▁end｜>' }}
        {%- else %}{{- message.content }}{%- endif %}
        {{- '<｜end▁of▁sentence｜>' }}
    {%- elif message.role == 'tool' %}
        {{- '<｜tool▁outputs▁begin｜>' if not ns.is_tool else '\n' }}{{- message.content }}
        {%- set ns.is_tool = true %}
    {%- endif %}
{%- endfor %}
{%- if ns.is_tool %}{{- '<｜tool▁outputs▁end｜>' }}
{%- elif add_generation_prompt %}{{- '<｜Assistant｜>' }}{%- endif %}
"""
"""DeepSeek-V3 style: no content beside tool calls, JSON text as arguments, and a turn after tool
outputs is asked for by closing them."""

TOOLS = {"llama": LLAMA, "mistral-tools": MISTRAL_TOOLS, "deepseek-tools": DEEPSEEK_TOOLS}


def said(name: str, message: Message, call_ids: list[str], eos: str) -> str:
    """What a template of `TOOLS` writes for an assistant turn, by hand."""
    content = message["content"] or ""
    calls = [call["function"] for call in message.get("tool_calls", [])]
    if name == "llama":
        if not calls:
            return content.strip() + "<|eot_id|>"
        given = json.loads(calls[0]["arguments"])
        if calls[0]["name"] == "python":
            inside = ", ".join(f'{key}="{value}"' for key, value in given.items())
            return f"<|python_tag|>python.call({inside})<|eom_id|>"
        return f'{{"name": "{calls[0]["name"]}", "parameters": {_json(given)}}}<|eot_id|>'
    if name == "mistral-tools":
        if not calls:
            return content + eos
        shown = [
            f'{{"name": {_json(call["name"])}, "arguments": '
            f'{_json(json.loads(call["arguments"]))}, "id": "{own}"}}'
            for call, own in zip(calls, call_ids, strict=True)
        ]
        return f"{content}[TOOL_CALLS][{', '.join(shown)}]{eos}"
    if not calls:
        return content + "<｜end▁of▁sentence｜>"
    shown = [
        f"function{call['name']}\n```json\n{_json(json.loads(call['arguments']))}\n```<｜tool▁call▁end｜>"
        for call in calls
    ]
    return f"<｜tool▁calls▁begin｜>{''.join(shown)}<｜tool▁calls▁end｜><｜end▁of▁sentence｜>"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
