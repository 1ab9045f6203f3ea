"""What `srft export` tells a user."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from srft_assets.cli.export import formats_of, license_of, size_of
from srft_assets.errors import UsageError
from srft_assets.exports import FormatName
from srft_assets.exports.formats import FORMATS
from srft_assets.warehouse.partitions import Warehouse
from tests.cli.conftest import environment
from tests.cli.test_output import lines
from tests.exports.hub import hub_of

ARM = "masked_tokens/srft"


def test_an_export_is_listed_and_deleted_by_its_name(srft, masked, tmp_path):
    out = tmp_path / "set"
    words = ("--arm", "srft", "--format", "trl", "--out", str(out), "--batch", "one", "--stale-ok")
    assert srft("export", *words).code == 0
    (row,) = json.loads(srft("ls", "exports", "--where", "runs = 2", "--json").out)["rows"]
    assert (row["name"], row["arm"], row["format"], row["rows"]) == ("set", "srft", "trl", 2)
    assert srft("delete", "export", "set").code == 2 and out.is_dir()
    assert srft("delete", "export", "set", "--yes").code == 0
    assert not out.exists()
    assert srft("ls", "exports").code == 3


def test_export_tells_what_is_in_it_where_it_is_and_how_to_load_it(srft, masked, tmp_path):
    out = tmp_path / "set"
    words = ("--arm", "srft", "--format", "trl", "--out", str(out))
    said = srft("export", *words, "--batch", "one", "--stale-ok")
    assert said.code == 0, said.err
    told = lines(said.out)
    assert told[0].startswith("srft one as trl: 2 of 2, in ")
    counted = "2 runs, 2 rows: 20 tokens, 6 trained (30.0%), 4 masked, 10 context"
    assert counted in told
    assert "not in sync one; the card says so" in told
    assert f"wrote {out}: 1 data file, 0.0 MB" in told
    assert f'rows = load_dataset("{out}", split="train")' in told
    assert (out / "README.md").is_file()


def test_a_weight_that_one_format_does_not_take_stops_all(srft, masked, tmp_path):
    words = ("--format", "tinker", "--format", "trl", "--mistake-weight", "-0.1", "--batch", "one")
    said = srft("export", "--arm", "srft", *words, "--stale-ok", "--out", str(tmp_path / "set"))
    assert said.code == 2 and "for tinker only" in said.err
    assert not (tmp_path / "set").exists()


def test_what_is_stale_or_missing_is_one_line_with_what_to_do(srft, masked, tmp_path):
    said = srft("export", "--arm", "srft", "--format", "trl", "--out", str(tmp_path / "set"))
    assert said.code == 1
    (line,) = lines(said.err)
    assert line.startswith(f"error: {ARM} is not in sync (")
    assert "two is missing" in line
    assert line.endswith(f"srft apply {ARM}, or --stale-ok")
    assert not (tmp_path / "set").exists()


def test_refused_runs_are_counted_with_the_reason(srft, masked, tmp_path):
    warehouse = Warehouse(masked.warehouse)
    stamp = warehouse.stamp(ARM, "one")
    frame = warehouse.read(ARM, "one")
    odd = frame.with_columns(input_ids=pl.col("input_ids").list.head(8))
    assert stamp is not None
    warehouse.write(ARM, "one", odd, stamp)
    out = tmp_path / "set"
    words = ("--arm", "srft", "--format", "parquet", "--out", str(out))
    said = srft("export", *words, "--batch", "one", "--stale-ok")
    assert "refused 2 runs: a span lies outside its tokens" in lines(said.out)
    assert (out / "refused.jsonl").is_file()
    assert said.code == 1
    assert lines(said.err) == ["error: parquet has no row of these runs, for the reason above"]


def test_an_export_of_no_row_is_told_as_a_failure(srft, masked, tmp_path):
    warehouse = Warehouse(masked.warehouse)
    stamp, frame = warehouse.stamp(ARM, "one"), warehouse.read(ARM, "one")
    untrained = pl.element().struct.with_fields(pl.lit(False).alias("trained"))
    warehouse.write(ARM, "one", frame.with_columns(pl.col("spans").list.eval(untrained)), stamp)
    words = ("--arm", "srft", "--format", "trl", "--out", str(tmp_path / "set"))
    said = srft("export", *words, "--batch", "one", "--stale-ok")
    assert "0 runs, 0 rows: 0 tokens" in said.out and "To load it" not in said.out
    assert (said.code, lines(said.err)) == (
        1,
        ["error: trl has no row of these runs, for the reason above"],
    )


def test_several_formats_go_into_folders_of_their_names(srft, masked, tmp_path):
    words = ("--arm", "srft", "--batch", "one", "--stale-ok", "--out", str(tmp_path / "two"))
    said = srft("export", *words, "--format", "trl", "--format", "skyrl", "--format", "trl")
    assert said.code == 0
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["skyrl", "trl"]
    assert f"wrote {tmp_path / 'two' / 'skyrl'}: 1 data file, 0.0 MB" in lines(said.out)


def test_one_command_writes_every_format(srft, masked, tmp_path):
    tokens = [form for form in FormatName if not (FORMATS[form].chats or FORMATS[form].reader)]
    assert len(tokens) > 1
    words = ("--arm", "srft", "--batch", "one", "--stale-ok", "--out", str(tmp_path / "all"))
    said = srft("export", *words, *(word for form in tokens for word in ("--format", form)))
    assert said.code == 0
    assert {path.name for path in (tmp_path / "all").iterdir()} == {*tokens}
    assert formats_of(["all", "trl"]) == [*FormatName]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--arm", "nope", "--format", "trl"), "no arm 'nope'; there are: "),
        (("--arm", "srft", "--format", "trl", "--batch", "nope"), "no batch 'nope'"),
        (("--arm", "srft", "--format", "trl", "--max-shard-size", "big"), "bad size 'big'"),
        (("--arm", "srft", "--format", "trl", "--license", "a\nb: c"), "bad licence"),
        (("--arm", "srft", "--format", "trl", "--push-to-hub", "me"), "write OWNER/NAME"),
        (("--arm", "srft", "--format", "zip"), "no format 'zip'; there are: trl, "),
        (
            ("--arm", "srft", "--format", "all", "--push-to-hub", "me/set"),
            "--push-to-hub takes one --format",
        ),
    ],
)
def test_a_wrong_call_is_told_before_anything_is_written(srft, masked, tmp_path, words, told):
    said = srft("export", *words, "--out", str(tmp_path / "set"))
    assert said.code == 2
    assert told in said.err
    assert not (tmp_path / "set").exists()


def test_sizes():
    assert size_of("200MB") == 200_000_000
    assert size_of("1.5 gb") == 1_500_000_000
    assert size_of("1000") == 1000
    for text in ("", "0MB", "-1GB", "5TB", "x"):
        with pytest.raises(UsageError, match="bad size"):
            size_of(text)


def test_licences():
    assert license_of(None) is None
    assert license_of("cc-by-4.0") == "cc-by-4.0"
    for text in ("", "MIT\n---", "../x", "a b"):
        with pytest.raises(UsageError, match="bad licence"):
            license_of(text)


def test_a_folder_is_asked_for(srft, masked):
    assert srft("export", "--arm", "srft", "--format", "trl").code == 2


def test_files_of_the_user_are_left(srft, masked, tmp_path):
    mine = Path(tmp_path / "mine" / "thesis.tex")
    mine.parent.mkdir()
    mine.write_text("mine")
    words = ("--arm", "srft", "--format", "trl", "--out", str(mine.parent), "--batch", "one")
    said = srft("export", *words, "--stale-ok")
    assert said.code == 2
    assert "holds files, but no export of srft" in said.err
    assert mine.read_text() == "mine"


def test_what_is_pushed_is_told_with_its_address(masked, tmp_path):
    words = ("--arm", "srft", "--format", "trl", "--out", str(tmp_path / "set"))
    argv = [sys.executable, "-c", "from srft_assets.cli import main; main()", "export", *words]
    argv += ["--batch", "one", "--stale-ok", "--push-to-hub", "me/runs"]
    with hub_of("me/runs") as hub:
        told = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": "hf_secret"}
        env = {**environment(masked), **told, "HF_HUB_OFFLINE": "0"}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout)[-1] == f"pushed to {hub.url}/datasets/me/runs"
    assert "data/train-00000-of-00001.parquet" in hub.files
    assert "hf_secret" not in done.stdout + done.stderr
