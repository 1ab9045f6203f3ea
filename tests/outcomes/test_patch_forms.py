"""Patches of unusual form: carriage returns, binary hunks, links, modes. Handled and said."""

import subprocess
from pathlib import Path

import pytest

from srft_assets.outcomes import sandbox_grader
from srft_assets.outcomes.sandbox_grader import GNU_PATCH
from srft_assets.outcomes.status import Status
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Sandbox
from tests.outcomes.conftest import diff, new_file
from tests.outcomes.local_support import grade


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def with_crlf(task: TaskInstance) -> TaskInstance:
    """The task with carriage returns in its source file."""
    files = {**task.files, "adder.py": crlf(task.files["adder.py"])}
    return task.model_copy(update={"files": files})


def test_a_file_with_carriage_returns_is_patched_as_it_is(
    task: TaskInstance, sandbox: Sandbox
) -> None:
    """A patch that git makes has them in its lines of content only."""
    lines = task.patch.splitlines()
    patch = "".join(
        f"{line}\r\n" if line[:1] in " +-" and line[:3] not in ("---", "+++") else f"{line}\n"
        for line in lines
    )
    assert grade(with_crlf(task), patch, sandbox).status is Status.RESOLVED


def test_what_only_gnu_patch_takes_is_taken_as_the_harness_does(
    task: TaskInstance, sandbox: Sandbox
) -> None:
    """Lines that end otherwise than the file's; context that has changed since."""
    files = {"adder.py": "# now\ndef add(a, b):\n    return a - b\n# end\n"}
    drifted = task.model_copy(update={"files": {**task.files, **files}})
    patch = task.patch.replace("@@ -1,2 +1,2 @@\n", "@@ -1,3 +1,3 @@\n # before\n")
    assert grade(drifted, patch, sandbox).status is Status.RESOLVED
    assert grade(task, crlf(task.patch), sandbox).status is Status.RESOLVED


def test_a_patch_that_gnu_patch_refuses_too_failed_and_says_why(
    task: TaskInstance, sandbox: Sandbox
) -> None:
    outcome = grade(with_crlf(task), task.patch, sandbox)
    assert outcome.status is Status.PATCH_FAILED, outcome
    assert outcome.reason == "1 out of 1 hunk FAILED -- saving rejects to file adder.py.rej"
    assert "different line endings" in (outcome.log or "")


def test_an_absolute_path_is_one_below_the_folder(task: TaskInstance, sandbox: Sandbox) -> None:
    patch = task.patch + new_file("/etc/srft-evil", "evil\n")
    assert grade(task, patch, sandbox).status is Status.RESOLVED
    assert not Path("/etc/srft-evil").exists()


def test_where_gnu_patch_is_missing_nobody_can_say(
    task: TaskInstance, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_grader, "GNU_PATCH", GNU_PATCH.replace("-v patch", "-v no"))
    assert grade(task, task.patch, sandbox).status is Status.RESOLVED
    outcome = grade(task, crlf(task.patch), sandbox)
    assert outcome.status is Status.INFRA_ERROR and "GNU patch" in outcome.reason


def git_diff(folder: Path, before: dict[str, bytes], after: dict[str, bytes]) -> str:
    """`git diff --binary` between two states of a folder."""
    folder.mkdir()
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    for path, content in before.items():
        (folder / path).write_bytes(content)
    subprocess.run([*git, "add", "-A", "-f"], check=True)
    subprocess.run([*git, "commit", "-qm", "a", "--allow-empty"], check=True)
    for path, content in after.items():
        (folder / path).write_bytes(content)
    subprocess.run([*git, "add", "-A", "-f"], check=True)
    argv = [*git, "diff", "--cached", "--binary"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_a_binary_hunk_is_applied(task: TaskInstance, sandbox: Sandbox, tmp_path: Path) -> None:
    """The code reads its answer from a file that is no text."""
    patch = git_diff(tmp_path / "one", {}, {"offset.bin": bytes(range(256))})
    assert "GIT binary patch" in patch
    code = "    return a + b + open('offset.bin', 'rb').read()[0]"
    right = diff("adder.py", "    return a - b", code)
    assert grade(task, right + patch, sandbox).status is Status.RESOLVED


def test_a_binary_file_that_is_only_named_is_left_out(task: TaskInstance, sandbox: Sandbox) -> None:
    """What `git diff` prints without --binary: the content is missing, and GNU patch goes on."""
    named = (
        "diff --git a/x.png b/x.png\nnew file mode 100644\nindex 0000000..1111111\n"
        "Binary files /dev/null and b/x.png differ\n"
    )
    assert grade(task, task.patch + named, sandbox).status is Status.RESOLVED


@pytest.mark.parametrize("target", ["adder.py", "/etc/passwd", "../../outside"])
def test_a_link_is_a_file_like_any_other_and_leads_nowhere(
    task: TaskInstance, sandbox: Sandbox, target: str
) -> None:
    link = new_file("link", target, mode="120000")
    assert grade(task, task.patch + link, sandbox).status is Status.RESOLVED
    through = link + new_file("link/evil", "evil\n")
    assert grade(task, task.patch + through, sandbox).status is Status.PATCH_FAILED


def test_a_patch_for_another_folder_failed(task: TaskInstance, sandbox: Sandbox) -> None:
    moved = task.patch.replace("a/adder.py", "a/../adder.py").replace("b/adder.py", "b/../adder.py")
    outcome = grade(task, moved, sandbox)
    assert outcome.status is Status.PATCH_FAILED and outcome.reason
