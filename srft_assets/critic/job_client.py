"""OpenAI's batch API: files up, a batch of them, its state, files down. Many servers speak it."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import orjson

from srft_assets.critic.calls import Reply, parsed, reply_of
from srft_assets.critic.client import IDEMPOTENCY, Client
from srft_assets.critic.failures import (
    CallError,
    Kind,
    Secrets,
    TransientError,
    failure_of,
    said_in,
)
from srft_assets.critic.jobs import Job
from srft_assets.errors import excerpt_of

if TYPE_CHECKING:
    import httpx
    import openai
    from openai.types import Batch

T = TypeVar("T")
How = Mapping[str, Any]
"""What every call of the SDK is given beside its own."""
ENDPOINT: Final = "/v1/chat/completions"
NAME = re.compile(r"[!-~]{1,500}")
"""Of a file or a batch at a provider."""
PAGE = 100
SOONER_SECONDS = 24 * 3600
"""By so much a provider's clock may be behind ours."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A batch as the provider tells of it.

    Attributes:
        status: in lower case: `in_progress`, `completed`, …
        files: names of the files of answers, and of requests that failed.
        done: requests that are over; 0 where it does not say.
        said: why it failed as a whole; `code` the same for programs.
    """

    id: str
    status: str
    files: tuple[str, ...] = ()
    done: int = 0
    said: str = ""
    code: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in ("completed", "failed", "expired", "cancelled")

    @property
    def crowded_out(self) -> bool:
        """Whether it was refused for what else is under way, so that it may go later."""
        return self.status == "failed" and self.code.startswith(("token_limit", "rate_limit"))


class JobClient:
    """The batch API at the endpoint of a client.

    Every call is tried as often as the endpoint allows. Raises CallError as the client.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        url = client.secrets.url
        self._none = f"no batch API at {url}: leave endpoint.batch (critic.batch) out"

    async def upload(self, file: IO[bytes], name: str) -> str:
        """Send a file of requests; the provider's name of it."""

        async def send(sdk: "openai.AsyncOpenAI", how: How) -> Any:
            file.seek(0)
            return await sdk.files.create(file=(name, file), purpose="batch", **how)

        return await self._ask(send, lambda sent: _name(sent.id), self._none)

    async def create(self, job: Job) -> Remote:
        """Make the batch of an uploaded file, unless an attempt before has made it."""
        tries = 0

        async def make(sdk: "openai.AsyncOpenAI", how: How) -> Any:
            nonlocal tries
            tries += 1
            if tries > 1 and (made := await _made_of(job, sdk, how)) is not None:
                return made
            return await sdk.batches.create(
                input_file_id=job.file or "",
                endpoint=ENDPOINT,
                completion_window="24h",
                metadata={"srft": job.id},
                **{**how, "extra_headers": {**how["extra_headers"], IDEMPOTENCY: job.id}},
            )

        return await self._ask(make, _remote, self._none)

    async def find(self, job: Job) -> Remote | None:
        """The batch of an uploaded file, where a process made it and died before it knew."""

        return await self._ask(
            lambda sdk, how: _made_of(job, sdk, how),
            lambda made: None if made is None else _remote(made),
            self._none,
        )

    async def look(self, job: Job) -> Remote:
        return await self._ask(
            lambda sdk, how: sdk.batches.retrieve(job.remote or "", **how),
            _remote,
            self._gone(f"batch {job.remote}", job),
        )

    async def content(self, job: Job, file: str) -> bytes:
        return await self._ask(
            lambda sdk, how: sdk.files.content(file, **how),
            lambda held: bytes(held.content),
            self._gone(f"file {file} of the batch {job.remote}", job),
        )

    def _gone(self, what: str, job: Job) -> str:
        return (
            f"{self.client.secrets.url} does not know the {what}: run again with the account that "
            f"submitted it; `srft critic batches --forget {job.id}` gives it up, and its calls are "
            "paid for anew"
        )

    async def _ask(
        self,
        call: Callable[["openai.AsyncOpenAI", How], Awaitable[Any]],
        read: Callable[[Any], T],
        absent: str,
    ) -> T:
        """What `read` finds in the answer; `absent` tells of a 404."""
        import httpx

        client = self.client
        headers = {"Authorization": client.authorization}
        how = {"extra_headers": headers, "extra_query": client.secrets.query}

        async def attempt(_: int) -> T | CallError:
            try:
                answer = await client.heard(call(client.sdk, how))
                if isinstance(answer, CallError):
                    return answer
                if isinstance(answer, httpx.Response):
                    return _refusal(answer, absent, client.secrets)
                return read(answer)
            except (AttributeError, TypeError, ValueError) as error:  # of what is no batch API
                told = excerpt_of(client.secrets.scrub(str(error)))
                return TransientError(f"{client.secrets.url}: no answer of a batch API ({told})")

        return (await client.patiently(attempt))[0]


def _refusal(answer: "httpx.Response", absent: str, secrets: Secrets) -> CallError:
    if answer.status_code in (404, 405):
        said = excerpt_of(secrets.scrub(said_in(answer.content)[0])).strip()
        return CallError(Kind.ENDPOINT, f"{absent} (HTTP {answer.status_code}: {said})")
    return failure_of(answer.status_code, answer.headers, answer.content, secrets)


async def _made_of(job: Job, sdk: "openai.AsyncOpenAI", how: How) -> "Batch | None":
    """The batch that was made of the job's file, the newest ones first."""
    since = datetime.fromisoformat(job.at).timestamp() - SOONER_SECONDS
    async for batch in sdk.batches.list(limit=PAGE, **how):
        of = (batch.metadata or {}).get("srft", "")  # some providers keep no such notes
        if batch.input_file_id == job.file and of in ("", job.id):
            return batch
        if batch.created_at and batch.created_at < since:
            break
    return None


def _name(stated: Any) -> str:
    """Raises ValueError, or TypeError, for what is no name."""
    if not NAME.fullmatch(stated):
        raise ValueError(stated)
    return str(stated)


def _remote(batch: Any) -> Remote:
    counts, errors = batch.request_counts, batch.errors
    first = errors.data[0] if errors and errors.data else None
    return Remote(
        id=_name(batch.id),
        status=str(batch.status).lower().replace("canceled", "cancelled"),
        files=tuple(_name(one) for one in (batch.output_file_id, batch.error_file_id) if one),
        done=(counts.completed or 0) + (counts.failed or 0) if counts else 0,
        said=str(first.message) if first else "",
        code=str(first.code) if first else "",
    )


def line_of(key: str, body: Mapping[str, Any]) -> bytes:
    """A request as a line of a file."""
    line = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a request of a batch has no answer; `said`: the server's own message."""

    failure: CallError
    said: str


def answers_in(content: bytes, secrets: Secrets) -> Iterator[tuple[str, Reply | Refused]]:
    """The answers of a file by the keys of their requests, as OpenAI and `vllm run-batch` write
    them. Lines without a key are passed over."""
    for line in content.split(b"\n"):
        held = parsed(line)
        if isinstance(held, dict) and isinstance(held.get("custom_id"), str):
            yield held["custom_id"], _answer(held.get("response"), held.get("error"), secrets)


def _answer(response: Any, error: Any, secrets: Secrets) -> Reply | Refused:
    body, status = None, 500 if error else 200  # what expired has no response, and comes again
    if isinstance(response, dict):
        body, stated = response.get("body"), response.get("status_code")
        status = stated if isinstance(stated, int) else status
    if status == 200 and not error and (reply := reply_of(body)) is not None:
        return reply
    try:
        told = json.dumps(body or {"error": error}).encode()
    except RecursionError:
        told = b""
    return Refused(failure_of(status, {}, told, secrets), said_in(told)[0])
