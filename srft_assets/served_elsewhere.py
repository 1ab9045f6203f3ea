"""A model server on another node: started behind a prefix, asked over the network."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from srft_assets.child import python
from srft_assets.files import place, private
from srft_assets.home import Home
from srft_assets.launching import command_behind, job_folder, places
from srft_assets.serving import ServerSpec
from srft_assets.serving.guard import guarded
from srft_assets.serving.node import KEY, SPEC, urls_in
from srft_assets.serving.server import Served, Tell, wait_for


@contextmanager
def serve_behind(
    prefix: Sequence[str], spec: ServerSpec, home: Home, log: Path, tell: Tell
) -> Iterator[Served]:
    """As `serving.server.serve`, on the node that the prefix takes it to.

    It listens there on all addresses, under a key made for this start. The node ends it when we
    leave, or are killed. Raises SrftError as `serve`.
    """
    spec = spec.model_copy(update={"host": "0.0.0.0"})
    key = secrets.token_urlsafe(32)
    private(log.parent)
    with job_folder(home.launches) as folder, log.open("ab") as output:
        log.chmod(0o600)
        place(folder / SPEC, spec.model_dump_json().encode())
        work = python("srft_assets.serving.node", str(folder))
        command = command_behind(prefix, work, {KEY: key, **places(home)}, folder)
        with guarded(command, spec.stop_timeout, os.environ, stdout=output) as (process, _):
            url = wait_for(spec, partial(urls_in, folder), key, process, log, tell)
            yield Served(f"{url}/v1", key, process.pid, spec.names)
