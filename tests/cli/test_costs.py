"""What a plan says of costs: by hand, from what is there; what is not known is said so."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from srft_assets.home import CHECKOUT, Home
from srft_assets.project.folder import PROJECT
from srft_assets.warehouse.partitions import Warehouse
from tests.cli.conftest import Srft, call, environment
from tests.trajectories.ingest_support import run_of, write_lines

N = 32_763_876_352
"""Parameters of Qwen2.5-Coder-32B: 152,064 x 5,120 embeddings and head, 64 layers of attention with
40 heads and 8 of keys, and of 27,648 wide MLPs."""
LONG = 20
"""Turns of the runs, of which the median is taken."""


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Ten runs, four of them resolved; and a project that states what its GPUs do."""
    home = Home(tmp_path_factory.mktemp("graded") / "home")
    rows = [{**run_of(f"run-{n}", LONG + n), "resolved": n < 4, "patch": "diff"} for n in range(10)]
    stated = {"costs": {"tflops": 100, "utilisation": 0.5, "served_tokens": 1000}}
    home.root.mkdir(parents=True)
    (home.root / "srft.yaml").write_text(yaml.safe_dump(stated))
    with pytest.MonkeyPatch.context() as patch:
        words = ("ingest", str(write_lines(home.inbox / "ten.jsonl", rows)))
        assert call(patch, home, words) == 0
    return home


Whole = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def whole(speaking: Callable[[Home], Srft], graded: Home, monkeypatch: pytest.MonkeyPatch) -> Whole:
    """The costs that `srft plan --recipe NAME` tells as JSON, by stage, and their sum as `all`."""

    def told(name: str, *words: str) -> dict[str, dict[str, Any]]:
        monkeypatch.setenv(PROJECT, str(graded.root))
        plan = json.loads(speaking(graded)("plan", "--recipe", name, "--json", *words).out)
        return {one["stage"]: one["cost"] for one in plan["costs"]} | {"all": plan["cost"]}

    return told


def test_the_recipe_of_the_paper_is_told_as_by_hand(whole: Whole, graded: Home) -> None:
    runs = Warehouse(graded.warehouse).read("trajectories", "ten", ["messages"])
    a_run = runs["messages"].str.len_chars().sum() / 10 / 4
    costs = whole("srft-paper", "--seed", "0", "--seed", "1")
    assert (costs["step_verdicts/paper"]["calls"], costs["step_verdicts/paper"]["answered"]) == (
        6,
        0,
    )
    # 3 epochs of 10, 4 and 6 runs, in whole batches of 16, with 2 seeds.
    rows = {
        "sft": 2 * 32,
        "srft": 2 * 32,
        "rft": 2 * 16,
        "unresolved_masked": 2 * 32,
    }
    for arm, count in rows.items():
        cost = costs[f"checkpoints/{arm}"]
        assert cost["tokens"] == pytest.approx(count * a_run, rel=0.001)
        hours = 6 * N * cost["tokens"] / (100e12 * 0.5) / 3600
        assert cost["gpu_hours"] == pytest.approx(hours, rel=1e-9)
        assert cost["disk"] == 2 * 2 * N
        assert cost["unknown"].keys() == {"tokens_to_train"}
        scores = costs[f"eval_scores/{arm}"]
        assert (scores["rollouts"], scores["steps"]) == (1000, 1000 * (LONG + 4.5))
        assert scores["tokens"] == pytest.approx(1000 * a_run, rel=0.001)
        assert scores["gpu_hours"] == pytest.approx(scores["tokens"] / 1000 / 3600)
        assert scores["unknown"] == {"disk": "the images of tasks are not counted"}
    assert "checkpoints/base" not in costs, "nothing is trained"
    assert costs["eval_scores/base"]["rollouts"] == 1000
    assert costs["masked_tokens/rft"]["disk"] == pytest.approx(4 * 4 * a_run, rel=0.01)
    figures = ("calls", "tokens", "gpu_hours", "rollouts", "steps", "disk")
    every = [cost for stage, cost in costs.items() if stage != "all"]
    for name in figures:
        assert costs["all"][name] == pytest.approx(sum(cost[name] for cost in every))


def test_an_adapter_takes_less(whole: Whole) -> None:
    full, lora = (
        whole(name)["checkpoints/srft"] for name in ("srft-paper-7b", "srft-paper-7b-lora")
    )
    assert lora["tokens"] == full["tokens"]
    assert lora["gpu_hours"] == pytest.approx(full["gpu_hours"] * 4 / 6)
    # Rank 16 on 28 layers: q and o 3584 + 3584, k and v 3584 + 512, MLP three times 3584 + 18944.
    assert lora["disk"] == 4 * 16 * 28 * (2 * 7168 + 2 * 4096 + 3 * 22528)
    assert full["disk"] == 2 * 7_615_616_512


def test_before_there_are_runs_what_depends_on_them_is_unknown(
    speaking: Callable[[Home], Srft], tmp_path: Path
) -> None:
    said = speaking(Home(tmp_path / "new"))("plan", "--recipe", "srft-paper")
    assert said.code == 0
    table = {row[0]: row[1:] for row in map(str.split, said.out.splitlines()) if row}
    assert table["checkpoints/srft"] == ["0/1", "–", "?", "?", "–", "65.5", "GB"]
    assert table["eval_scores/srft"] == ["0/1", "?", "?", "?", "500", "?"]
    assert "there are no runs yet: srft ingest PATH." in said.out
    assert "Unknown (calls, tokens of step_verdicts/paper): there are no batches yet" in said.out


def test_the_option_without_a_name_is_of_the_project(
    speaking: Callable[[Home], Srft], graded: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROJECT, str(graded.root))
    said = speaking(graded)("plan", "--recipe")
    lines = said.out.splitlines()
    stages = [line.split()[0] for line in lines if "/" in line.split()[0]]
    assert {"checkpoints/srft", "checkpoints/unresolved_only"} <= set(stages)
    assert "eval_scores/base" not in stages
    assert [line.split()[0] for line in speaking(graded)("plan").out.splitlines()].count("all") == 1
    unknown = speaking(graded)("plan", "--recipe", "nope")
    assert unknown.code == 2 and "no recipe 'nope'; there are: srft-paper," in unknown.err


ARM = """\
type: srft_assets.components.Arm
attributes:
  model: Qwen/Qwen2.5-Coder-7B-Instruct
  training: {launcher: accelerate, launcher_args: ["--config_file={file}"]}
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fsdp_config: [", "{file}:1: no YAML"),
        ("- distributed_type: FSDP", "{file}: no mapping of settings"),
        (b"\xff", "{file}: no YAML"),
    ],
)
def test_a_bad_file_of_accelerate_is_named_and_the_rest_of_the_plan_goes_on(
    text: str | bytes,
    told: str,
    speaking: Callable[[Home], Srft],
    graded: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, own = tmp_path / "fsdp.yaml", tmp_path / "arms" / "sharded" / "defs.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    own.parent.mkdir(parents=True)
    own.write_text(ARM.replace("{file}", str(file)))
    (tmp_path / "srft.yaml").write_text("")
    monkeypatch.setenv(PROJECT, str(tmp_path))
    told = told.format(file=file)
    plan = speaking(graded)("plan", "--arm", "sharded", "--arm", "rft")
    assert (plan.code, plan.err) == (0, "")
    assert f"Unknown (disk of checkpoints/sharded): {told}" in " ".join(plan.out.split())
    words = ("--recipe", "--json", "--arm", "sharded")
    costs = json.loads(speaking(graded)("plan", *words).out)["costs"]
    cost = {one["stage"]: one["cost"] for one in costs}
    assert cost["checkpoints/sharded"]["unknown"]["disk"].startswith(told)
    assert (
        cost["checkpoints/sharded"]["gpu_hours"] > 0 and cost["masked_tokens/sharded"]["disk"] > 0
    )


def test_options_beside_a_recipe_hold_or_are_refused(
    whole: Whole, speaking: Callable[[Home], Srft], graded: Home
) -> None:
    every, one = whole("srft-paper"), whole("srft-paper", "--arm", "rft")
    assert {stage for stage in one if "/" in stage} == {
        *("masked_tokens/rft", "checkpoints/rft", "eval_scores/rft")
    }
    assert one["checkpoints/rft"] == every["checkpoints/rft"]
    critic = whole("srft-paper", "--critic", "paper", "step_verdicts/rules")
    assert [stage for stage in critic if stage.startswith("step_verdicts/p")]
    assert not [stage for stage in critic if stage.startswith("checkpoints")]
    for words, told in {
        ("--exact",): "leave --exact out",
        ("--all",): "leave --all out",
        ("--arm", "nope"): "no arm 'nope'",
        ("--batch", "nope"): "no batch 'nope'",
    }.items():
        said = speaking(graded)("plan", "--recipe", "srft-paper", *words)
        assert said.code == 2 and told in said.err


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv[1:] = ['plan', '--recipe', 'srft-paper']\n"
        "from srft_assets.cli.app import app\n"
        "try: app()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'dagster', 'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment(Home(tmp_path)), "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
