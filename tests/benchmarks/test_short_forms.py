"""Every figure that a benchmark names is measured, also where little is generated."""

import json
import os
import re
import runpy
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import pytest

from srft_assets.sandbox import Sandbox
from tests import postgres
from tests.chromium import program

CHECKOUT = Path(__file__).resolve().parent.parent.parent
RUNS = CHECKOUT / "tests" / "golden" / "runs"
TOKENIZER = CHECKOUT / "srft_assets" / "lab" / "base_weights"
ELSEWHERE = {"local_grader": "plugins/srft-sdists/tests/test_benchmark.py"}
"""Scripts whose short form needs the fixtures of another folder."""

Script = Callable[..., str]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Script:
    """Runs a benchmark as a script, in this process; what it prints."""

    def run(name: str, *words: object) -> str:
        monkeypatch.setattr("sys.argv", [name, *map(str, words)])
        with patch.dict(os.environ):
            runpy.run_module(f"benchmarks.{name}", run_name="__main__")
        return capsys.readouterr().out

    return run


def numbers(text: str) -> list[float]:
    return [float(each) for each in re.findall(r"\d+(?:\.\d+)?", text)]


def test_every_script_has_a_short_form() -> None:
    run = set(re.findall(r'script\(\s*"(\w+)"', Path(__file__).read_text())) | {*ELSEWHERE}
    assert all((CHECKOUT / file).exists() for file in ELSEWHERE.values())
    scripts = (CHECKOUT / "benchmarks").glob("*.py")
    assert run == {file.stem for file in scripts if "__main__" in file.read_text()}


def test_critic_calls_are_timed_against_the_ideal(script: Script) -> None:
    words = ("--calls", 40, "--concurrency", 8, "--delay", 0.01, "--prompt-kb", 2)
    told = json.loads(script("critic", *words))
    assert told["calls"] == 40 and told["wall_to_ideal"] > 1
    assert told["rss_mb_at_10_percent"] > 0 and told["rss_mb_at_the_end"] > 0


def test_a_cluster_is_measured_by_what_starts_writes_and_computes(script: Script) -> None:
    words = ["--writers", 2, "--answers", 2, "--runs", 4, "--prefix", "nice -n 1"]
    with postgres.server() if postgres.PROGRAMS else nullcontext() as socket:
        words += ["--postgres", postgres.new_database(socket)] if socket else []
        told = json.loads(script("cluster", *words))
    assert {*told["start_seconds"]} == {"here", "behind_env", "behind_nice"}
    assert {"sqlite"} <= {*told["answers_a_second"]} <= {"sqlite", "postgres"}
    figures = [told["start_seconds"], told["answers_a_second"], told["side_by_side"]]
    assert all(value > 0 for each in figures for value in each.values())


def test_every_page_of_the_ui_is_timed(script: Script) -> None:
    program()
    told = json.loads(script("ui", "--batches", 2, "--rounds", 1, "--settle", 10))
    assert told["batches"] == 2
    assert all(page["first"] > 0 for page in told["seconds"].values())


def test_every_family_has_a_line(script: Script) -> None:
    told = script("families", RUNS)
    lines = [line for line in told.splitlines() if line.startswith("| ")]
    assert len(lines) >= 4 and {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {7}


def test_every_pair_with_another_run_shares_its_context(script: Script) -> None:
    told = json.loads(script("preferences", "--runs", 12, "--teachers", 3))
    assert told["mistakes"] > 0 and told["sources"]["other run"] > 0
    assert told["share_their_context"] == told["sources"]["other run"]


def test_the_share_of_dagster_is_what_no_stage_took(script: Script) -> None:
    told = script("dagster_share", "ingest", RUNS)
    wall, made, rest, share = numbers(told.partition(": ")[2])
    assert wall > made > 0 and rest > 0 and 0 < share < 100


def test_ingest_is_measured_for_files_and_for_lines(script: Script, tmp_path: Path) -> None:
    for number, line in enumerate((RUNS / "a.jsonl").read_text().splitlines()):
        (tmp_path / f"{number}.traj.json").write_text(line)
    told = script("ingest", tmp_path, "--megabytes", 1, "--files", 3, "--rounds", 1)
    few, many, lines, memory = told.splitlines()
    assert few.startswith(f"{number + 1} files: ") and many.startswith("3 files: ")
    assert lines.startswith("one .jsonl: 1 MB; ")
    assert all(each > 0 for each in numbers(memory))


def test_answers_are_kept_and_found(script: Script) -> None:
    told = json.loads(script("ledger", "--replies", 3000, "--size", 100))
    assert {*told} == {"keep_ms", "keep_threads_ms", "find_s"}


def test_the_code_location_loads_nothing_heavy(script: Script) -> None:
    cli, location = script("load", "--runs", 1).splitlines()
    assert cli.endswith("(heavy modules: none)") and location.endswith("heavy modules: none)")


def test_a_plan_is_timed_in_sync_and_after_one_word(script: Script) -> None:
    few = ("--batches", 2, "--runs", 2, "--steps", 3, "--answers", 20, "--repeats", 1)
    told = json.loads(script("plan", *few))
    assert told["in_sync"]["not_in_sync"] == 0 and told["in_sync"]["partitions"] > 2
    assert told["one_word"]["not_in_sync"] > 0
    assert told["one_word_exact"]["calls"] == 2, "one call for each failed run"


def test_labelling_again_takes_every_answer_from_the_ledger(script: Script) -> None:
    told = json.loads(script("relabel", "--runs", 3, "--steps", 4, "--repeats", 1))
    assert (told["runs"], told["steps"]) == (3, 12)


def test_rollouts_say_the_same_with_what_was_read_kept(script: Script, sandbox: Sandbox) -> None:
    words = ("--tasks", 2, "--step-limit", 3, "--chats", 2, "--turns", 2)
    told = json.loads(script("rollouts", *words))
    assert told["generated_tasks"]["model_calls"] == 6
    for name in ("generation", "long_chats"):
        assert told[name]["answers_that_differ"] == 0
        assert told[name]["tokens"] > 0
        assert told[name]["tokens_per_s"] > 0 and told[name]["tokens_per_s_of_transformers"] > 0


def test_the_sandbox_is_timed_beside_a_bare_command(script: Script, sandbox: Sandbox) -> None:
    told = json.loads(script("sandbox", "--runs", 2))
    assert all(told[f"{one}_ms"] > 0 for one in ("bare", "start", "open", "sandbox_python"))
    assert all(told[f"{one}_ratio"] > 0 for one in ("enter", "inside", "start"))


def test_scale_measures_every_stage_and_the_queries_asked_for(script: Script) -> None:
    asked = ("repeated_actions", "mistakes")
    words = [word for name in asked for word in ("--query", name)]
    told = json.loads(script("scale", "--runs", 40, "--rounds", 1, *words))
    assert (told.pop("runs"), told["masks"]["rows"]) == (40, 40)
    queries = told.pop("queries")
    assert {*queries} == {*asked} and all(each["rows"] for each in queries.values())
    for name, figures in {**told, **queries}.items():
        assert figures["seconds"] > 0 and figures["peak_mib"] > 0, name


def test_one_screen_of_a_platform_is_timed_as_a_whole_process(script: Script) -> None:
    told = json.loads(script("status", "--batches", 2, "--runs", 2, "--rounds", 1))
    assert (told.pop("batches"), told.pop("critics"), told.pop("arms")) == (2, 5, 10)
    for name, figures in told.items():
        assert figures["seconds"] > 0 and figures["cpu_seconds"] > 0, name


def test_every_page_of_the_view_is_timed(script: Script) -> None:
    told = json.loads(script("view", "--runs", 20, "--rounds", 1))
    assert told.pop("runs") == 20 and told.pop("start") > 0
    assert len(told) == 11
    for name, page in told.items():
        assert page["first"] > 0 and page["then"] > 0 and page["kb"] > 0, name


def test_masking_is_measured_beside_the_tokenizer_and_the_marks(script: Script) -> None:
    template = TOKENIZER / "chat_template.jinja"
    told = json.loads(script("tokens", TOKENIZER, RUNS, "--rounds", 1, "--marked", template))
    assert told["runs"] > 0 and told["runs_with_marks"] > 0 and told["tokens"] > 0
    for name in ("ratio", "over_apply_chat_template", "over_trl", "memory_ratio"):
        assert told[name] > 0, name


def test_training_is_measured_beside_trl(script: Script) -> None:
    told = json.loads(script("training", TOKENIZER, RUNS, "--rounds", 1))
    assert told["rows"] > 0
    assert set(told["tokens_per_second"]) == {"ours", "packed", "padded"}
    assert all(rate > 0 for rate in told["tokens_per_second"].values())
    assert told["padding_share"]["ours"] == 0


def test_warehouse_writes_and_reads_partitions(script: Script) -> None:
    told = json.loads(script("warehouse", "--seconds", 0.1, "--partitions", 4, "--rounds", 1))
    assert told["writers_4_per_second"] > 0 and told["view_ms"] > 0
