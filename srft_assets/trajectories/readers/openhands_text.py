"""OpenHands observations as the text that the model read."""

from typing import Any

from srft_assets.trajectories.errors import wrong_type
from srft_assets.trajectories.fields import section


def observation_text(
    event: dict[str, Any], kind: str, function_calling: bool
) -> tuple[str, int | None]:
    """Text and return code (None where none is stated) of an observation event.

    Follows `CmdOutputObservation.to_agent_observation` (0.17 and later) where the event has the
    shell's metadata, and CodeActAgent's `OBSERVATION:` texts where there is no function calling.
    """
    content = event.get("content")
    if content is None:
        content = ""
    if not isinstance(content, str):
        raise wrong_type("history[].content", content, "text")
    extras = section(event, "extras")
    metadata = section(extras, "metadata")
    code = _code(metadata, extras, event)
    if metadata:
        return _shell_text(content, metadata, code), code
    if kind == "edit" and isinstance(extras.get("formatted_output_and_error"), str):
        return extras["formatted_output_and_error"], code
    if function_calling:
        return content, code
    content = f"OBSERVATION:\n{content}"
    if kind == "run" and code is not None:
        number = extras.get("command_id", event.get("command_id"))
        content += f"\n[Command {number} finished with exit code {code}]"
    if kind == "error":
        content += "\n[Error occurred in processing last action]"
    return content, code


def _code(*places: dict[str, Any]) -> int | None:
    for place in places:
        code = place.get("exit_code")
        if isinstance(code, int) and not isinstance(code, bool):
            return code
    return None


def _shell_text(content: str, metadata: dict[str, Any], code: int | None) -> str:
    text = f"{metadata.get('prefix') or ''}{content}{metadata.get('suffix') or ''}"
    if metadata.get("working_dir"):
        text += f"\n[Current working directory: {metadata['working_dir']}]"
    if metadata.get("py_interpreter_path"):
        text += f"\n[Python interpreter: {metadata['py_interpreter_path']}]"
    if code is not None and code != -1:
        text += f"\n[Command finished with exit code {code}]"
    return text
