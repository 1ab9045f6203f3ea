"""What ingest refuses, it refuses with a true reason, and the rest goes on."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from srft_assets.trajectories.batches import manifests
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.partitions import Warehouse
from tests.trajectories.ingest_support import (
    ingested,
    put,
    refused_lines,
    run_of,
    write_lines,
    write_runs,
)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("README.md", "# Runs", "not a run: .md file"),
        ("args.yaml", "a: 1", "not a run: .yaml file"),
        ("fix.patch", "diff", "not a run: .patch file"),
        ("LICENSE", "MIT", "not a run: no known file type"),
        (".hidden.json", "{}", "not a run: hidden file"),
        ("runs.jsonl.gz", b"\x1f\x8b", "compressed (.gz): unpack it first"),
        ("a.json", "", "empty file"),
        ("a.json", " \n", "empty: no JSON value"),
        ("a.json", "[]", "empty list: no runs"),
        ("a.jsonl", "\n\n", "no readable row; row 0: empty: no JSON value"),
        (
            "a.traj",
            '{"trajectory": [{"role"',
            "truncated JSON: it ends after 23 bytes inside a value",
        ),
        (
            "a.traj.json",
            '[{"role": "user"',
            "truncated JSON: it ends after 16 bytes inside a value",
        ),
        ("a.json", b'{"a": "\xe9"}', "not UTF-8: byte 0xe9 at offset 7"),
        ("a.json", b'\xff\xfe{\x00"\x00', "not UTF-8: byte 0xff at offset 0"),
        ("a.json", "3", "row 0 is a number; a run is an object or a list of messages"),
        ("a.json", {"a": 1}, "unknown structure: an object with the fields 'a'"),
        ("a.parquet", b"PAR1", "broken parquet file: "),
        ("a.arrow", b"ARROW1", "broken arrow file: "),
        (
            "task.json",
            {"instance_id": "a", "FAIL_TO_PASS": [], "PASS_TO_PASS": []},
            "is a task or a test list, not a run",
        ),
    ],
)
def test_one_bad_file_is_one_line_and_the_rest_goes_on(home, tmp_path, name, content, reason):
    folder = write_runs(tmp_path / "runs", ["good"])
    put(folder / name, content)
    plan, manifest = ingested(home, folder)
    assert [line[: len(name) + 2 + len(reason)] for line in refused_lines(plan)] == [
        f"{name}: {reason}"
    ]
    assert "\n" not in refused_lines(plan)[0]
    assert [item.path for item in manifest.items] == ["good.json"]
    assert [refused.path for refused in manifest.refused] == [name]
    assert plan.roles == {"refused": 1, "runs": 1}


def test_one_value_over_the_limit_is_refused_by_its_size_alone(home, tmp_path):
    """200 MB that are never read: the file is a hole in the disk."""
    folder = write_runs(tmp_path / "runs", ["good"])
    with (folder / "huge.json").open("wb") as file:
        file.write(b'{"messages": "')
        file.truncate(200 << 20)
    plan, _ = ingested(home, folder)
    (line,) = refused_lines(plan)
    assert line.startswith("huge.json: one record of 200 MB: the limit is 64 MB")


def test_links_pipes_and_hidden_folders(home, tmp_path):
    folder = write_runs(tmp_path / "runs", ["a"])
    (folder / "loop").symlink_to(folder)
    (folder / "gone.json").symlink_to(tmp_path / "nowhere")
    (folder / "linked.json").symlink_to(put(tmp_path / "blob", run_of("b")))
    os.mkfifo(folder / "pipe.json")
    put(folder / ".git/config", "x")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.json")).write_text("{}")
    plan, manifest = ingested(home, folder)
    assert [item.path for item in manifest.items] == ["a.json", "linked.json"]
    assert refused_lines(plan) == [
        ".git: hidden folder, not read",
        "\\udcff.json: file name is not UTF-8: rename the file",
        "gone.json: broken link: No such file or directory",
        "loop: link to a folder, not followed: give its target as a path of its own",
        "pipe.json: not a regular file (pipe, socket or device)",
    ]


def test_a_folder_that_cannot_be_read_has_a_name(home, tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    (folder / "below").mkdir(parents=True)

    listed = Path.iterdir

    def denied(path: Path) -> Iterator[Path]:
        if folder in (path, *path.parents):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", denied)  # tests may run as root, to whom nothing is denied
    plan = ingest(home, [folder], batch="b")
    assert refused_lines(plan) == [".: folder cannot be read: Permission denied"]


def test_a_named_format_takes_files_that_look_like_nothing(home, tmp_path):
    folder = tmp_path / "runs"
    put(folder / "odd.json", {"chat": []})
    put(folder / "good.json", run_of("a"))
    assert ingest(home, [folder], batch="b").rows == 1
    assert ingest(home, [folder], batch="b", format="messages").rows == 2


def test_of_nothing_but_refusals_no_batch_is_made(home, tmp_path):
    put(tmp_path / "runs/README.md", "x")
    write_lines(tmp_path / "runs/a.jsonl", [{"messages": []}])
    plan = ingest(home, [tmp_path / "runs"], batch="b")
    assert (plan.batches, manifests(home)) == ((), [])
    assert refused_lines(plan) == [
        "README.md: not a run: .md file",
        "a.jsonl, row 0: no assistant turn among the 0 of field 'messages'",
    ]


def test_refused_rows_form_no_batches(home, tmp_path):
    rows = "{}\n" * 40 + '{"messages": []}\n' * 30 + "[\n" * 10 + "\n" * 10
    path = write_lines(tmp_path / "runs.jsonl", [run_of("a"), run_of("b")])
    path.write_text(path.read_text() + rows)
    write_lines(tmp_path / "z.jsonl", [run_of("c"), run_of("d")])
    plan = ingest(home, [path, tmp_path / "z.jsonl"], batch_size=2)
    assert len(plan.batches) == 2
    stamps = [Warehouse(home.warehouse).stamp("trajectories", name) for name in plan.batches]
    assert [stamp.rows for stamp in stamps] == [2, 2]
    assert sum(len(stamp.refused) for stamp in stamps) == 80
    assert ingest(home, [path, tmp_path / "z.jsonl"], batch_size=2).unchanged == plan.batches


def test_of_very_many_refused_rows_the_first_are_kept_and_the_rest_counted(home, tmp_path):
    path = write_lines(tmp_path / "runs.jsonl", [run_of("a"), *[{} for _ in range(1500)]])
    plan = ingest(home, [path])
    assert plan.batches == ("runs",)
    refused = Warehouse(home.warehouse).stamp("trajectories", "runs").refused
    assert len(refused) == 1001
    assert refused[-1].line().startswith("runs.jsonl, row 1500: 500 more rows of the batch are")
