"""Ask a server whether it is ready."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 5.0


def asking(api_key: str) -> "httpx.Client":
    """A client for a server on this machine: no proxy of the environment lies on the way."""
    import httpx

    headers = {"Authorization": f"Bearer {api_key}"}
    return httpx.Client(trust_env=False, timeout=TIMEOUT_SECONDS, headers=headers)


def lacks(client: "httpx.Client", url: str, names: Sequence[str]) -> str:
    """What a server at `url` (without `/v1`) still lacks, in words; empty when it is ready.

    Ready means that `/health` answers 200 and `/v1/models` lists every one of `names`.
    """
    import httpx

    try:
        for path in ("/health", "/v1/models"):
            answer = client.get(url + path)
            if answer.status_code != httpx.codes.OK:
                return f"{path} answers {answer.status_code}"
        listed = [str(model["id"]) for model in answer.json()["data"]]
    except httpx.TransportError as error:
        return f"no answer ({type(error).__name__})"
    except (ValueError, KeyError, TypeError):
        return "/v1/models does not answer as an OpenAI-compatible API does"
    missing = [name for name in names if name not in listed]
    return f"/v1/models lists {', '.join(listed)}, not {', '.join(missing)}" if missing else ""
