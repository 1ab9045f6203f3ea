"""What can be known to fail before the first task is played: images, servers, adapters."""

import json
import re
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from srft_assets.base_model import weights_of
from srft_assets.errors import SrftError
from srft_assets.outcomes.task import TaskInstance
from srft_assets.plugins import ENVIRONMENTS, need, plugin
from srft_assets.rollouts.images import CONTAINERS, image_of
from srft_assets.rollouts.models import key_of
from srft_assets.rollouts.settings import EndpointModel, RolloutSettings, ServedModel
from srft_assets.serving import ServerSpec, program_of


class NoServerError(SrftError):
    """Nobody answers where a model's server should be."""


PROBE_SECONDS = 30.0
PULL_SECONDS = 120.0
"""To ask a registry for one image."""
LIMITED = re.compile(r"toomanyrequests|\b429\b|rate limit", re.IGNORECASE)
"""What a registry says that has been asked too often: nothing of the image."""


def check_places(tasks: Sequence[TaskInstance], environment: str) -> None:
    """Raises SrftError where tasks cannot be played in the environment on this machine: nothing
    installed, no daemon, or an image that is neither here nor in its registry."""
    need("rollout")
    if environment == "sdist":
        plugin(ENVIRONMENTS, environment)
    elif environment == "modal" and find_spec("swerex") is None:
        raise SrftError("environment modal needs swe-rex: pip install 'swe-rex[modal]'")
    elif environment == "apptainer" and which(environment) is None:
        raise SrftError("apptainer is not installed on this machine")
    elif environment in CONTAINERS:
        _check_images(environment, sorted({image_of(task) for task in tasks}))


def _check_images(program: str, images: Sequence[str]) -> None:
    if which(program) is None:
        raise SrftError(f"{program} is not installed on this machine")
    if said := _failed([program, "info"]):
        raise SrftError(f"{program} does not answer: {said}")
    absent = [name for name in images if _failed([program, "image", "inspect", name])]
    with ThreadPoolExecutor(8) as pool:
        asked = pool.map(lambda name: _failed([program, "manifest", "inspect", name]), absent)
        lost = [
            (name, said)
            for name, said in zip(absent, asked, strict=True)
            if said and not LIMITED.search(said)
        ]
    if lost:
        name, said = lost[0]
        more = f" (nor {len(lost) - 1} other images)" if lost[1:] else ""
        raise SrftError(f"image {name} is not here and cannot be pulled{more}: {said}")


def _failed(argv: Sequence[str]) -> str:
    """Why a command failed, in one line; empty where it did not."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=PULL_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)[:300]
    lines = done.stderr.strip().splitlines() or ["no message"]
    return lines[-1][:300] if done.returncode else ""


def check_model(settings: RolloutSettings, length: int) -> None:
    """Raises SrftError where the model cannot answer: no server, one that does not list the model
    or takes fewer than `length` tokens, no vLLM, an adapter that does not fit its base."""
    model = settings.model
    if isinstance(model, EndpointModel):
        if model.base_url:
            _check_server(model, length)
    elif isinstance(model, ServedModel):
        server = model.server
        if program_of(server.command) is None:
            raise SrftError(
                f"{server.command[0]} is not installed: serve.base_url names a running server, or "
                'pip install "srft-assets[vllm]"'
            )
        for adapter in server.lora_modules.values():
            check_adapter(Path(adapter), server.model)
        _check_context(server, length)
    else:
        need("train")


def _check_server(model: EndpointModel, length: int) -> None:
    """The server, its list of models, and what vLLM or llama.cpp says there of a chat's context."""
    known = listed(model.base_url, key_of(model))
    if model.name not in known:
        there = ", ".join(sorted(known)[:5]) or "none"
        raise SrftError(f"serve.name: the server has no model {model.name!r}; it has: {there}")
    stated = known[model.name]
    context = stated.get("max_model_len") or (stated.get("meta") or {}).get("n_ctx")
    if isinstance(context, int) and context < length:
        raise SrftError(
            f"the server takes {context:,} tokens of {model.name}, and training.max_length is "
            f"{length:,}: serve it with a context of that"
        )


def listed(base_url: str, key: str | None) -> dict[str, dict[str, Any]]:
    """Name → what the server at `base_url` says of each of its models. Raises SrftError where it
    does not answer, or not so."""
    url = f"{base_url}/models"
    asked = Request(url, headers={"Authorization": f"Bearer {key}"})
    try:
        with urlopen(asked, timeout=PROBE_SECONDS) as answer:
            return {str(one["id"]): one for one in json.loads(answer.read())["data"]}
    except HTTPError as error:
        raise SrftError(f"the server: {url} answers {error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        why = getattr(error, "reason", error)
        raise NoServerError(f"the server: nobody answers at {url} ({why})") from None
    except (ValueError, KeyError, TypeError):
        raise SrftError(f"the server: {url} lists no models, as OpenAI's API does") from None


def _check_context(server: ServerSpec, length: int) -> None:
    """Of a model in a folder, the tokens that its configuration takes."""
    stated = Path(server.model) / "config.json"
    if not stated.is_file():
        return
    config = json.loads(stated.read_bytes())
    context, wanted = config.get("max_position_embeddings"), server.max_model_len or length
    stretched = config.get("rope_scaling") or any("rope" in each for each in server.extra_args)
    if isinstance(context, int) and context < wanted and not stretched:
        raise SrftError(f"{server.model} takes {context:,} tokens, and {wanted:,} are wanted")


def check_adapter(adapter: Path, base: str) -> None:
    """Raises SrftError where an adapter's matrices do not fit the base model's; a base that is no
    folder here, or has no plain safetensors, is not looked at."""
    if not Path(base).is_dir():
        return
    whole = _matrices(Path(base))
    if not whole or _is_quantized(Path(base)):
        return  # other files, or packed matrices of other shapes
    for name, (rows, columns) in _matrices(adapter).items():
        inner, _, part = name.removeprefix("base_model.model.").partition(".lora_")
        wanted = whole.get(f"{inner}.weight")
        if part not in ("A.weight", "B.weight") or inner.endswith(("lm_head", "embed_tokens")):
            continue  # A tied head is stored once, under the other's name.
        if wanted is None:
            raise SrftError(f"the adapter {adapter} does not fit its base {base}: no {inner} there")
        have, want = (columns, wanted[1]) if part == "A.weight" else (rows, wanted[0])
        if have != want:
            raise SrftError(
                f"the adapter {adapter} does not fit its base {base}: {inner} is {want} wide "
                f"there, and {have} here"
            )


def _is_quantized(folder: Path) -> bool:
    try:
        return "quantization_config" in json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return False


def _matrices(folder: Path) -> dict[str, tuple[int, ...]]:
    """Name → shape of a folder's matrices."""
    shapes = {name: tuple(one.shape) for name, one in weights_of(folder).items()}
    return {name: shape for name, shape in shapes.items() if len(shape) == 2}
