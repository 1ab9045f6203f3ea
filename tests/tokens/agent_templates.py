"""Families that agents are trained from, in small: real control tokens, the format of their turns.

GLM's template is TRL's, unabridged. Those of the others say what matters of the published ones: how
a message is opened and closed, how tools are told, how a call and a result are written.
"""

from tests.families import FAMILIES, Family

KIMI_K2 = (
    "{% if tools %}<|im_system|>tool_declare<|im_middle|>{{ tools | tojson }}<|im_end|>{% endif %}"
    "{% for message in messages %}"
    "{{ {'user': '<|im_user|>user', 'assistant': '<|im_assistant|>assistant',"
    " 'system': '<|im_system|>system', 'tool': '<|im_system|>tool'}[message.role] }}<|im_middle|>"
    "{% if message.role == 'tool' %}## Return of {{ message.tool_call_id }}\n{% endif %}"
    "{{ message.content }}"
    "{% if message.tool_calls %}<|tool_calls_section_begin|>"
    "{% for tool_call in message.tool_calls %}"
    "<|tool_call_begin|>{{ tool_call['id'] }}<|tool_call_argument_begin|>"
    "{{ tool_call['function']['arguments'] | tojson }}<|tool_call_end|>"
    "{% endfor %}<|tool_calls_section_end|>{% endif %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_assistant|>assistant<|im_middle|>{% endif %}"
)
MINIMAX_M2 = (
    "]~!b[]~b]system\n{{ messages[0].content if messages[0].role == 'system' else 'M2' }}"
    "{% if tools %}\n<tools>{% for tool in tools %}\n<tool>{{ tool.function | tojson }}</tool>"
    "{% endfor %}\n</tools>{% endif %}[e~[\n"
    "{% for message in messages %}"
    "{% if message.role == 'user' %}]~b]user\n{{ message.content }}[e~[\n"
    "{% elif message.role == 'tool' %}]~b]tool\n<response>{{ message.content }}</response>[e~[\n"
    "{% elif message.role == 'assistant' %}]~b]ai\n"
    "{% if message.reasoning_content %}<think>\n{{ message.reasoning_content }}\n</think>\n\n"
    "{% endif %}{{ message.content }}"
    "{% if message.tool_calls %}\n<minimax:tool_call>"
    '{% for call in message.tool_calls %}\n<invoke name="{{ call.function.name }}">'
    '{% for key, cell in call.function.arguments.items() %}\n<parameter name="{{ key }}">'
    "{{ cell if cell is string else cell | tojson }}</parameter>{% endfor %}\n</invoke>"
    "{% endfor %}\n</minimax:tool_call>{% endif %}[e~[\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}]~b]ai\n<think>\n{% endif %}"
)
QWEN3_CODER = (
    "{% if tools %}<|im_start|>system\n# Tools\n<tools>{% for tool in tools %}\n"
    "{{ tool.function | tojson }}{% endfor %}\n</tools><|im_end|>\n{% endif %}"
    "{% for message in messages %}"
    "{% if message.role == 'tool' %}<|im_start|>user\n<tool_response>\n{{ message.content }}\n"
    "</tool_response><|im_end|>\n"
    "{% else %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{% for call in message.tool_calls or [] %}\n<tool_call>\n<function={{ call.function.name }}>"
    "{% for key, cell in call.function.arguments.items() %}\n<parameter={{ key }}>\n"
    "{{ cell if cell is string else cell | tojson }}\n</parameter>{% endfor %}\n</function>\n"
    "</tool_call>{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DEVSTRAL = (
    "<s>{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}"
    "{% for message in messages %}"
    "{% if message.role == 'system' %}[SYSTEM_PROMPT]{{ message.content }}[/SYSTEM_PROMPT]"
    "{% elif message.role == 'user' %}[INST]{{ message.content }}[/INST]"
    "{% elif message.role == 'tool' %}[TOOL_RESULTS]{{ message.content }}[/TOOL_RESULTS]"
    "{% else %}{{ message.content }}{% for call in message.tool_calls or [] %}"
    "[TOOL_CALLS]{{ call.function.name }}[ARGS]{{ call.function.arguments | tojson }}{% endfor %}"
    "</s>{% endif %}{% endfor %}"
)
DEEPSEEK_V3_1 = (
    "<｜begin▁of▁sentence｜>{% for message in messages if message.role == 'system' %}"
    "{{ message.content }}{% endfor %}{% if tools %}\n## Tools\n{{ tools | tojson }}{% endif %}"
    "{% for message in messages %}"
    "{% if message.role == 'user' %}<｜User｜>{{ message.content }}"
    "{% elif message.role == 'tool' %}"
    "<｜tool▁output▁begin｜>{{ message.content }}<｜tool▁output▁end｜>"
    "{% elif message.role == 'assistant' %}"
    "{% if messages[loop.index0 - 1].role == 'user' %}<｜Assistant｜></think>{% endif %}"
    "{{ message.content or '' }}{% if message.tool_calls %}<｜tool▁calls▁begin｜>"
    "{% for call in message.tool_calls %}"
    "<｜tool▁call▁begin｜>{{ call.function.name }}<｜tool▁sep｜>"
    "{{ call.function.arguments if call.function.arguments is string"
    " else call.function.arguments | tojson }}<｜tool▁call▁end｜>"
    "{% endfor %}<｜tool▁calls▁end｜>{% endif %}<｜end▁of▁sentence｜>{% endif %}{% endfor %}"
    "{% if add_generation_prompt and messages[-1].role == 'user' %}"
    "<｜Assistant｜></think>{% endif %}"
)

CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
BEGIN, END = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
DEEPSEEK = ("<｜User｜>", "<｜Assistant｜>", "<think>", "</think>", "<｜tool▁calls▁begin｜>")
DEEPSEEK += (
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
)
DEEPSEEK += ("<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>")
MISTRAL = ("<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]")
MISTRAL += ("[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[ARGS]", "[SYSTEM_PROMPT]")
MISTRAL += ("[/SYSTEM_PROMPT]",)
KIMI = ("[BOS]", "[EOS]", "<|im_end|>", "<|im_user|>", "<|im_assistant|>", "<|im_system|>")
SECTIONS = ("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>")
SECTIONS += ("<|tool_call_argument_begin|>", "<|tool_call_end|>")
QWEN_CALLS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")

AGENTS = {
    "glm4_5": FAMILIES["glm4_5"],
    "kimi_k2": Family(
        *("kimi", KIMI_K2, (*KIMI, "<|im_middle|>"), "<|im_end|>", ("<|im_end|>",), "<|im_end|>"),
        bos="[BOS]", unflagged=SECTIONS,
    ),
    "minimax_m2": Family(
        *("minimax", MINIMAX_M2, ("]~!b[", "]~b]", "[e~["), "[e~[", ("[e~[",), "[e~["),
        bos="]~!b[",
        unflagged=("<think>", "</think>", "<minimax:tool_call>", "</minimax:tool_call>"),
    ),
    "qwen3_coder": Family(
        *("qwen3_moe", QWEN3_CODER, CHATML, CHATML[2], (CHATML[2], CHATML[0]), CHATML[2]),
        unflagged=QWEN_CALLS,
    ),
    "devstral": Family("mistral", DEVSTRAL, MISTRAL, "</s>", ("</s>",), "</s>", bos="<s>"),
    "deepseek_v3_1": Family(
        "deepseek_v3", DEEPSEEK_V3_1, (BEGIN, END), END, (END,), END, bos=BEGIN, unflagged=DEEPSEEK
    ),
}  # fmt: skip
"""By name."""
