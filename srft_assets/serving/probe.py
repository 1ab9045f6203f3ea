"""Ask a server whether it is ready."""

import json
from collections.abc import Sequence
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT_SECONDS = 5.0
DIRECT = build_opener(ProxyHandler({}))
"""A proxy of the environment is not the way to a server on this machine."""


def lacks(url: str, api_key: str, names: Sequence[str]) -> str:
    """What a server at `url` (without `/v1`) still lacks, in words; empty when it is ready.

    Ready means that `/health` answers 200 and `/v1/models` lists every one of `names`.
    """
    path = "/health"
    try:
        _get(url + path, api_key)
        path = "/v1/models"
        listed = [str(model["id"]) for model in json.loads(_get(url + path, api_key))["data"]]
    except HTTPError as error:
        return f"{path} answers {error.code}"
    except (OSError, HTTPException) as error:
        return f"no answer ({getattr(error, 'reason', error)})"
    except (ValueError, KeyError, TypeError):
        return f"{path} does not answer as an OpenAI-compatible API does"
    missing = [name for name in names if name not in listed]
    return f"{path} lists {', '.join(listed)}, not {', '.join(missing)}" if missing else ""


def _get(url: str, api_key: str) -> bytes:
    asked = Request(url, headers={"Authorization": f"Bearer {api_key}"})
    with DIRECT.open(asked, timeout=TIMEOUT_SECONDS) as answer:
        content: bytes = answer.read()
    return content
