"""Variables of the environment that say where critics are served."""

import os
import shlex

from srft_assets.errors import SrftError
from srft_assets.serving.spec import VLLM, program_of

URL = "SRFT_CRITIC_URL"
"""Of a server that runs already, up to `/v1`. It goes before all else."""
MODEL = "SRFT_VLLM_MODEL"
"""What vLLM shall serve: a folder or a Hub id."""
NAME = "SRFT_VLLM_NAME"
"""As requests name that model."""
COMMAND = "SRFT_VLLM_COMMAND"
"""What comes before the model, as a shell would split it; by default `vllm serve`."""
ARGS = "SRFT_VLLM_ARGS"
"""Further arguments of that command, as a shell would split them."""


def words(name: str) -> list[str]:
    """The words of a variable; none where it is not set. Raises SrftError for an open quote."""
    try:
        return shlex.split(os.environ.get(name, ""))
    except ValueError as error:
        raise SrftError(f"{name}: {error}: quote it as for a shell") from error


def vllm_program() -> str | None:
    """The program that would serve; None where it is not installed."""
    return program_of(words(COMMAND) or VLLM)
