"""Batches at a provider, followed until their answers are in the ledger."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from srft_assets.critic.calls import write_calls
from srft_assets.critic.client import Client
from srft_assets.critic.failures import HOPELESS, CallError, Kind, TransientError
from srft_assets.critic.job_client import JobClient, Refused, Remote, answers_in
from srft_assets.critic.jobs import Call, Job, Jobs, State
from srft_assets.critic.ledger import Ledger
from srft_assets.critic.spending import counted
from srft_assets.errors import SrftError, WaitingError, excerpt_of
from srft_assets.warehouse.stage import Work

LOOK_SECONDS = 0.5
"""Between two looks at a batch at first; later a tenth of the wait so far."""
LONGEST_LOOK = 60.0
KEPT_AT_ONCE = 500


class Reading:
    """The batches that the making of one partition waits for.

    Attributes:
        failures: key of a request → why the last batch did not answer it.
        tries: how many batches did not.
        stop: why no further one is of use.
    """

    def __init__(
        self, critic: str, work: Work, ledger: Ledger, client: Client, turns: ExitStack
    ) -> None:
        self.critic, self.work, self.ledger, self.client = critic, work, ledger, client
        self.jobs, self.remote, self.turns = Jobs(work.home), JobClient(client), turns
        self.failures: dict[str, CallError] = {}
        self.tries: Counter[str] = Counter()
        self.stop: CallError | None = None
        self._ours: set[str] = set()

    def may_answer(self, key: str) -> bool:
        if key not in self.failures:
            return True
        passing = self.failures[key].kind is Kind.UNAVAILABLE
        return passing and self.tries[key] < self.client.endpoint.attempts

    async def bring(self, ids: Sequence[str]) -> None:
        """Follow jobs until all are read.

        Raises WaitingError where one is under way and nobody is to wait, CallError where a further
        batch is of no use, and SrftError where one cannot be read.
        """
        told = await asyncio.gather(*map(self._bring, ids), return_exceptions=True)
        for error in told:
            if isinstance(error, BaseException):
                raise error
        waits = [one for one in told if one]
        if waits:
            more = f" and {len(waits) - 1} more" if len(waits) > 1 else ""
            raise WaitingError(f"waiting for {waits[0]}{more}: run again to go on")
        if self.stop is not None:
            raise self.stop

    def is_ours(self, id: str) -> bool:
        """Whether no other process follows a job; then none does from now on."""
        if id not in self._ours:
            with ExitStack() as turn:
                if turn.enter_context(self.jobs.turn(id)):
                    self.turns.push(turn.pop_all())
                    self._ours.add(id)
        return id in self._ours

    async def create(self, job: Job) -> Job:
        made = await self.remote.create(job)
        self.work.log.info("submitted the batch %s of %s", made.id, job.batch)
        return await self._submitted(job, made)

    async def _submitted(self, job: Job, made: Remote) -> Job:
        changes = {"state": State.SUBMITTED, "remote": made.id}
        return await asyncio.to_thread(self.jobs.advance, job, **changes)

    async def _bring(self, id: str) -> str:
        """Follow a job until it is read; else, where nobody is to wait, what is waited for."""
        while not self.is_ours(id):
            job = await asyncio.to_thread(self.jobs.get, id)
            if job is None or job.state is State.READ:
                return ""
            if not self.work.wait:
                return f"batch {job.remote or job.id}, which another process follows"
            await asyncio.sleep(LOOK_SECONDS)
        job = await asyncio.to_thread(self.jobs.get, id)
        job = None if job is None else await self._found(job)
        if job is None or job.state is State.READ:
            return ""
        calls = await asyncio.to_thread(self.jobs.calls, job)
        label = f"step_verdicts/{job.critic} {job.batch}"
        clock = asyncio.get_running_loop().time
        began = clock()
        while not (remote := await self.remote.look(job)).ended:
            told = f"batch {remote.id} ({remote.status}"
            self.work.progress.report(f"{label} batches", remote.done, len(calls), f"{told})")
            if not self.work.wait:
                since = f"submitted {job.at[:16].replace('T', ' ')} UTC"
                return f"{told}, {remote.done} of {len(calls)} calls, {since})"
            age = clock() - began
            await asyncio.sleep(min(max(LOOK_SECONDS, age / 10), LONGEST_LOOK))
        await self._read(job, calls, remote)
        return ""

    async def _found(self, job: Job) -> Job | None:
        """The job, with its batch where a process died before it knew it; None where there is none.

        Raises SrftError where it was submitted elsewhere.
        """
        url = self.client.secrets.url
        if job.state is State.WRITTEN:
            await asyncio.to_thread(self.jobs.drop, job)
            return None
        if job.url != url:
            raise SrftError(
                f"the batch {job.remote or job.id} was submitted to {job.url}, and the critic asks "
                f"{url} now: state that URL until it is read, or give it up by "
                f"`srft critic batches --forget {job.id}`"
            )
        if job.state is not State.UPLOADED:
            return job
        if (made := await self.remote.find(job)) is not None:
            return await self._submitted(job, made)
        try:
            return await self.create(job)
        except CallError as error:
            if error.kind is Kind.UNAVAILABLE:
                raise
            await asyncio.to_thread(self.jobs.drop, job)  # its file is gone: it is made anew
            return None

    async def _read(self, job: Job, calls: dict[str, Call], remote: Remote) -> None:
        """Take what a batch that ended holds. Killed in between, it is read once more.

        Raises CallError where its files hold less than it says was done, and stay so.
        """
        refused: dict[str, Refused] = {}
        answered: set[str] = set()
        for attempt in range(self.client.endpoint.attempts):
            if attempt:  # some end a batch before its files are whole
                await asyncio.sleep(LOOK_SECONDS * 2**attempt)
                remote = await self.remote.look(job)
            for name in remote.files:
                content = await self.remote.content(job, name)
                answered |= await asyncio.to_thread(self._take, job, calls, content, refused)
            if len(answered | refused.keys()) >= min(remote.done, len(calls)):
                break
        else:
            held = len(answered | refused.keys())
            raise CallError(
                Kind.UNAVAILABLE,
                f"the batch {remote.id} says that {remote.done} requests are done, and its files "
                f"hold {held}: run again later, or give it up by `srft critic batches --forget "
                f"{job.id}`, and the rest is paid for anew",
            )
        for key in refused.keys() - answered:
            self._refused(job, key, refused[key])
        self._missing(remote, calls.keys() - answered - refused.keys())
        await asyncio.to_thread(self.jobs.close, job)
        if (job.critic, job.batch) != (self.critic, self.work.partition):
            await asyncio.to_thread(write_calls, self.work.home, job.critic, job.batch)

    def _take(
        self, job: Job, calls: dict[str, Call], content: bytes, refused: dict[str, Refused]
    ) -> set[str]:
        """Keep the answers of a file; keys of their requests. Why others failed is put into
        `refused`, where it stays for one that another line answers."""
        replies = []
        for key, answer in answers_in(content, self.client.secrets):
            if (call := calls.get(key)) is None:
                continue
            if isinstance(answer, Refused):
                refused[key] = answer
                continue
            reply = counted(self.client.reply(key, answer, job.model), call.prompt_tokens)
            replies.append(replace(reply, critic=job.critic, batch=job.batch, about=call.about))
            self.failures.pop(key, None)
        for start in range(0, len(replies), KEPT_AT_ONCE):
            self.ledger.keep_all(replies[start : start + KEPT_AT_ONCE])
        return {reply.key for reply in replies}

    def _refused(self, job: Job, key: str, answer: Refused) -> None:
        failure, known = answer.failure, self.client.parameters_of({"model": job.model})
        if failure.kind is Kind.BAD_REQUEST and known.learn(answer.said):
            failure = TransientError(failure.reason)
        elif failure.kind in HOPELESS:
            self.stop = self.stop or failure
        self._note(key, failure)

    def _missing(self, remote: Remote, left: Iterable[str]) -> None:
        """Note the requests of which a batch that ended says nothing."""
        said = excerpt_of(self.client.secrets.scrub(remote.said)) or "without a reason"
        why = {
            "failed": f"the server refuses the batch {remote.id}: {said}",
            "cancelled": f"the batch {remote.id} was cancelled: run again to ask for the rest",
        }.get(remote.status, f"the batch {remote.id} is {remote.status} without an answer")
        for key in left:
            self._note(key, TransientError(why))
        refused = remote.status == "failed" and not remote.crowded_out
        if refused or remote.status == "cancelled":
            self.stop = self.stop or CallError(Kind.UNAVAILABLE, why)

    def _note(self, key: str, failure: CallError) -> None:
        self.failures[key] = failure
        self.tries[key] += 1
