"""The resource `critic_server`, in real Dagster runs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from srft_assets.components.platform import CriticServer, Platform
from srft_assets.errors import SrftError
from srft_assets.serving import ServerSpec
from srft_assets.serving.server import Served, SharedServer
from tests.serving.conftest import PROGRAM, MakeSpec, gone, members

Make = Callable[..., CriticServer]


@pytest.fixture
def make(spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes the resource with the test's server program."""
    monkeypatch.setenv("SRFT_HOME", str(tmp_path))

    def resource(**env: str) -> CriticServer:
        return CriticServer(**spec(env).model_dump(exclude_none=True))

    return resource


def run(server: CriticServer, *bodies: Callable[[CriticServer], None]) -> dg.ExecuteInProcessResult:
    """A run of one op for each body, in turn."""

    def op(number: int, body: Callable[[CriticServer], None]) -> dg.OpDefinition:
        @dg.op(name=f"op_{number}", ins={"after": dg.In(dg.Nothing)})
        def one(critic_server: CriticServer) -> None:
            body(critic_server)

        return one

    @dg.graph
    def all_of_them() -> None:
        after = None
        for number, body in enumerate(bodies):
            after = op(number, body)(after) if after else op(number, body)()

    job = all_of_them.to_job(
        resource_defs={"critic_server": server}, executor_def=dg.in_process_executor
    )
    return job.execute_in_process(raise_on_error=False)


def test_nothing_is_started_where_nobody_asks(make: Make, family: Path) -> None:
    assert run(make(), lambda server: None).success
    assert gone(family, 0, 0)


def test_all_of_a_run_share_one_server_and_it_ends_with_the_run(make: Make, family: Path) -> None:
    seen: list[Served] = []

    def ask(server: CriticServer) -> None:
        with server.open() as served:
            seen.append(served)
        with server.open() as served:
            seen.append(served)

    assert run(make(), ask, ask).success
    assert len(seen) == 4
    assert len(set(seen)) == 1
    assert gone(family, 1, 0)


def test_it_ends_with_a_run_that_fails(make: Make, family: Path) -> None:
    def ask(server: CriticServer) -> None:
        with server.open():
            assert members(family)
            raise dg.Failure("body")

    assert not run(make(), ask).success
    assert gone(family, 1, 0)


def test_a_server_that_died_is_started_again(make: Make, family: Path) -> None:
    def ask(server: CriticServer) -> None:
        with server.open() as first:
            members(family)[0].kill()
            assert gone(family, 1)
        with server.open() as second:
            assert second.process_id != first.process_id

    assert run(make(), ask).success
    assert gone(family, 2, 0)


def test_a_start_that_failed_is_not_tried_again(make: Make, family: Path) -> None:
    def ask(server: CriticServer) -> None:
        for _ in range(2):
            with pytest.raises(SrftError, match="out of memory: lower"), server.open():
                pass

    assert run(make(DIES="CUDA out of memory"), ask).success
    assert gone(family, 1, 0)


def test_outside_a_run_it_ends_on_leaving(make: Make, family: Path) -> None:
    with make().open():
        assert len(members(family)) == 1
    assert gone(family, 1, 0)


def test_a_given_server_is_used_as_it_is(make: Make, family: Path) -> None:
    server = CriticServer(base_url="http://gpu-7:8000/v1/", model="ignored")
    with server.open() as served:
        assert served == Served("http://gpu-7:8000/v1")
    assert gone(family, 0, 0)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "or SRFT_CRITIC_URL, to the URL .* or SRFT_VLLM_MODEL"),
        ({"base_url": "gpu-7:8000"}, r"base_url .* does not begin with http"),
        ({"model": "m", "tensor_parallel_size": 0}, "tensor_parallel_size: .* greater than 0"),
    ],
)
def test_a_setting_that_is_wrong_is_told_in_one_line(fields: dict[str, str], said: str) -> None:
    with pytest.raises(SrftError, match=said) as no, CriticServer(**fields).open():
        pass
    assert "\n" not in str(no.value)


def test_every_setting_of_a_server_is_one_of_the_resource() -> None:
    ours = set(CriticServer.model_fields) - {"base_url"}
    assert ours == set(ServerSpec.model_fields)


def test_defaults_are_those_of_the_spec() -> None:
    assert CriticServer(model="m").spec() == ServerSpec(model="m")


def test_the_environment_configures_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SRFT_CRITIC_URL", "SRFT_VLLM_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SRFT_VLLM_MODEL", "/models/judge")
    monkeypatch.setenv("SRFT_VLLM_COMMAND", "/other/bin/python -m vllm --model")
    monkeypatch.setenv("SRFT_VLLM_ARGS", "--tensor-parallel-size 2 --chat-template 'a b'")
    seen: list[ServerSpec] = []
    assert run(CriticServer.from_settings(), lambda server: seen.append(server.spec())).success
    assert seen == [
        ServerSpec(
            model="/models/judge",
            command=("/other/bin/python", "-m", "vllm", "--model"),
            extra_args=("--tensor-parallel-size", "2", "--chat-template", "a b"),
        )
    ]


def test_an_open_quote_is_told_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRFT_VLLM_ARGS", "--chat-template 'a b")
    with pytest.raises(SrftError, match=r"^SRFT_VLLM_ARGS: no closing quotation: quote it"):
        CriticServer.from_settings()


def test_the_assets_of_a_run_share_the_server_of_their_platform(
    family: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `srft_assets.definitions` states it."""
    monkeypatch.setenv("SRFT_HOME", str(tmp_path))
    monkeypatch.setenv("FAMILY", str(family))
    monkeypatch.delenv("SRFT_CRITIC_URL", raising=False)
    monkeypatch.setenv("SRFT_VLLM_MODEL", "tiny")
    monkeypatch.setenv("SRFT_VLLM_COMMAND", f"{sys.executable} -S {PROGRAM}")
    seen: list[Served] = []

    @dg.asset
    def first(platform: Platform) -> None:
        with platform.critic_server.open() as served:
            seen.append(served)

    @dg.asset(deps=[first])
    def second(platform: Platform) -> None:
        with platform.critic_server.open() as served:
            seen.append(served)

    platform = Platform(critic_server=CriticServer.from_settings())
    run = dg.materialize([first, second], resources={"platform": platform})
    assert seen[0] == seen[1]
    assert (tmp_path / "logs" / f"critic-server-{run.run_id}.log").exists()
    assert gone(family, 1, 0)


def test_an_empty_environment_fails_only_where_a_server_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("URL", "MODEL", "NAME", "COMMAND", "ARGS"):
        monkeypatch.delenv(f"SRFT_VLLM_{name}", raising=False)
    monkeypatch.setenv("SRFT_CRITIC_URL", "")

    def ask(server: CriticServer) -> None:
        with server.open():
            pass

    assert run(CriticServer.from_settings(), lambda server: None).success
    failed = run(CriticServer.from_settings(), ask)
    assert not failed.success
    assert "SRFT_CRITIC_URL" in str(failed.failure_data_for_node("op_0"))


def test_two_who_ask_at_once_start_one_server() -> None:
    from concurrent.futures import ThreadPoolExecutor

    started = []

    @contextmanager
    def start() -> Iterator[Served]:
        started.append(1)
        yield Served(f"http://{len(started)}/v1")

    def ask(_: int) -> Served:
        with shared.open() as served:
            return served

    shared = SharedServer(start)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(64))) == {Served("http://1/v1")}
