"""What a command in the sandbox sees and gives back."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from srft_assets.errors import UsageError
from srft_assets.sandbox import Limits, Sandbox, SandboxError


def test_a_failing_command_is_a_result(either: Sandbox, workdir: Path) -> None:
    done = either.run("echo out; echo err >&2; exit 7", workdir=workdir)
    assert (done.returncode, done.timed_out) == (7, False)
    assert done.output == "out\nerr\n"


def test_death_by_a_signal_is_128_and_its_number(either: Sandbox, workdir: Path) -> None:
    assert either.run("kill -9 $$", workdir=workdir).returncode == 137


def test_the_folder_is_the_testbed_and_keeps_what_is_written(
    sandbox: Sandbox, workdir: Path
) -> None:
    (workdir / "in.txt").write_text("hello")
    done = sandbox.run("pwd; cat in.txt > out.txt", workdir=workdir)
    assert done.output == "/testbed\n"
    assert (workdir / "out.txt").read_text() == "hello"


def test_each_command_has_a_fresh_tmp(sandbox: Sandbox, workdir: Path) -> None:
    assert sandbox.run("echo x > /tmp/kept", workdir=workdir).returncode == 0
    assert sandbox.run("ls /tmp", workdir=workdir).output == ""


def test_python_and_git_work(either: Sandbox, workdir: Path) -> None:
    done = either.run(
        "python -c 'import sys, ssl, sqlite3, ctypes; print(sys.version_info[:2])' && "
        "python3 -m unittest --help > /dev/null && "
        "git init -q . && echo a > a && git add a && git -c user.name=a -c user.email=a@b "
        "commit -qm one && git log --format=%s",
        workdir=workdir,
    )
    assert done.returncode == 0, done.output
    assert done.output.endswith("one\n")


def test_git_works_in_a_folder_of_another_owner(sandbox: Sandbox, workdir: Path) -> None:
    done = sandbox.run("git init -q . && git status --short && whoami", workdir=workdir)
    assert done.output == "agent\n"


def test_the_environment_is_cleared(
    either: Sandbox, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "secret-of-the-host")
    done = either.run("env", workdir=workdir, env={"ASKED_FOR": "yes"})
    assert "secret-of-the-host" not in done.output
    assert "ASKED_FOR=yes" in done.output
    assert "HOME=/tmp\n" in done.output


@pytest.mark.parametrize("name", ["", "A=B", "A\0"])
def test_impossible_variables_are_refused(either: Sandbox, workdir: Path, name: str) -> None:
    with pytest.raises(UsageError, match="environment variable"):
        either.run("true", workdir=workdir, env={name: "x"})


def test_a_missing_folder_is_the_sandbox_own_failure(either: Sandbox, workdir: Path) -> None:
    with pytest.raises(SandboxError):
        either.run("true", workdir=workdir / "absent")


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ("touch ran; echo \0", 127, "a command cannot hold a NUL byte"),
        ("touch ran; echo \ud83d", 127, "a command cannot hold half a surrogate pair"),
        ("touch ran #" + "x" * 131_061, 126, "a command of 131072 bytes is too long"),
    ],
    ids=["NUL", "surrogate", "long"],
)
def test_what_no_shell_can_be_given_is_a_failing_command(
    either: Sandbox, workdir: Path, command: str, code: int, reason: str
) -> None:
    """A model can say it, so it is the model's failure and not the machine's."""
    done = either.run(command, workdir=workdir)
    assert (done.returncode, done.timed_out) == (code, False)
    assert reason in done.output
    assert not (workdir / "ran").exists()


def test_the_longest_command_runs(either: Sandbox, workdir: Path) -> None:
    assert either.run("echo on #" + "x" * 131_062, workdir=workdir).output == "on\n"


def test_commands_are_not_cut_into_words(either: Sandbox, workdir: Path) -> None:
    done = either.run("printf '%s|' \"a  b\" '$x' '; exit 3' \"'\"", workdir=workdir)
    assert done.output == "a  b|$x|; exit 3|'|"


def test_many_run_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    def one(number: int) -> str:
        folder = tmp_path / str(number)
        folder.mkdir()
        done = sandbox.run(f"echo {number} > n; cat n", workdir=folder, limits=Limits())
        return done.output.strip()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(40))) == [str(number) for number in range(40)]
