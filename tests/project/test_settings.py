"""Settings: `srft.yaml`, then `.env`, then variables, then options; and what is wrong in them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from srft_assets.errors import SrftError, UsageError
from srft_assets.home import CHECKOUT, current_home
from srft_assets.platform.stages import faults, filled_arm, load_stages
from srft_assets.project.folder import current_project, own_files
from srft_assets.project.settings import Settings, fields, is_secret, settings, variable_of
from srft_assets.project.settings_text import every_setting, template
from srft_assets.tokens.arm import ArmSpec, TrainingSpec, forbidden
from srft_assets.training.stage import checkpoints_stage


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one; no variable of ours is set, and no option."""
    monkeypatch.setattr("srft_assets.project.folder._options", {})
    for name in [name for name in os.environ if name.startswith("SRFT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", os.environ.copy())  # `.env` is put into it
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def state(project: Path, text: str) -> Path:
    path = project / "srft.yaml"
    path.write_text(text)
    return path


def origin(name: str) -> tuple[object, str]:
    [found] = [one for one in every_setting() if one.name == name]
    return found.value, found.origin


def srft(project: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    code = "from srft_assets.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **variables},
        capture_output=True,
        text=True,
    )


def test_each_place_goes_before_the_one_below_it(project: Path) -> None:
    url = "critic.url"
    assert origin(url) == (None, "default")
    state(project, "base_model: tiny\ncritic:\n  url: http://file\n")
    assert origin(url) == ("http://file", "srft.yaml:3")
    (project / ".env").write_text("SRFT_CRITIC_URL=http://env-file\n")
    assert origin(url) == ("http://env-file", ".env")
    os.environ["SRFT_CRITIC_URL"] = "http://variable"
    assert origin(url) == ("http://variable", "SRFT_CRITIC_URL")
    assert settings().critic.model == Settings.model_fields["critic"].default.model
    told = srft(project, "--home", "elsewhere", "config", "--json", SRFT_HOME="variable")
    rows = {row["name"]: row for row in json.loads(told.stdout)["rows"]}
    assert rows["home"] | {"description": ""} == {
        "name": "home",
        "value": "elsewhere",
        "origin": "--home",
        "variable": "SRFT_HOME",
        "description": "",
    }


def test_variables_state_lists_and_command_lines(project: Path) -> None:
    os.environ["SRFT_RELABEL_BATCHES"] = "lab-*, mini"
    os.environ["SRFT_VLLM_ARGS"] = "--chat-template 'a b'"
    now = settings()
    assert now.relabel.batches == ("lab-*", "mini")
    assert now.vllm.args == ("--chat-template", "a b")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("relable:\n  cron: x\n", ":1: relable: no such setting, the nearest is relabel"),
        (
            "relabel:\n  batchs: [a]\n",
            ":2: relabel.batchs: no such setting, the nearest is",
        ),
        ("launch:\n  processes: many\n", ":2: launch.processes: input should be a valid integer"),
        ("prices:\n  m: {in: 1}\n", ":2: prices.m.in: no such setting, the nearest is input"),
        ("critic:\n  url: gpu-7\n", ":2: critic.url: does not begin with http:// or https://"),
        ("critic: [\n", ":2: no YAML"),
        ("- critic\n", ": no mapping of settings"),
        ("ui:\n  token: s3cret\n", ":2: ui.token is a secret: state SRFT_UI_TOKEN in the env"),
    ],
)
def test_a_wrong_file_is_told_with_line_and_nearest_key(
    project: Path, text: str, told: str
) -> None:
    path = state(project, text)
    with pytest.raises(SrftError) as raised:
        settings()
    assert str(raised.value).startswith(f"{path}{told}")
    assert "s3cret" not in str(raised.value)


def test_a_wrong_variable_is_told_by_its_name_and_anothers_is_left_alone(project: Path) -> None:
    os.environ["SRFT_CRITIC_KEY"] = "of somebody else"
    settings()
    os.environ["SRFT_LAUNCH_PROCESSES"] = "s3cret"
    with pytest.raises(SrftError, match=r"^SRFT_LAUNCH_PROCESSES: input should be a valid integer"):
        settings()


def test_no_secret_is_shown(project: Path) -> None:
    state(project, "")
    (project / ".env").write_text("SRFT_UI_TOKEN=s3cret\nSRFT_ALERTS_WEBHOOK=https://s3cret\n")
    for words in (["config"], ["config", "--json"]):
        told = srft(project, *words)
        assert told.returncode == 0, told.stderr
        assert "s3cret" not in told.stdout + told.stderr
    assert origin("ui.token") == ("set", ".env")


def test_no_secret_within_a_url_or_a_command_line_is_shown(project: Path) -> None:
    state(
        project,
        "git_host: http://user:s3cret@host/v1\ncritic: {url: 'http://user:s3cret@gpu/v1'}\n"
        "vllm:\n  args: [--api-key, s3cret, s3cret-too, --api-key=s3cret, --dtype, half]\n"
        "relabel: {batches: ['lab-[ab]*']}\n",
    )
    for words in (["config"], ["config", "--json"]):
        told = srft(project, *words, COLUMNS="200")
        assert told.returncode == 0, told.stderr
        assert "s3cret" not in told.stdout + told.stderr
        assert "lab-[ab]*" in told.stdout
    assert origin("git_host")[0] == "http://[hidden]@host/v1"
    shown = ("--api-key", "[hidden]", "[hidden]", "--api-key=[hidden]", "--dtype", "half")
    assert origin("vllm.args")[0] == shown
    os.environ["SRFT_DATABASE"] = "postgresql://user:s3cret@host/db"
    assert origin("database")[0] == "postgresql://[hidden]@host/db"


@pytest.mark.parametrize(
    ("file", "variable", "shows", "place"),
    [
        ("", "", False, "default"),
        ("", "0", False, "SRFT_DEBUG"),
        ("", "yes", True, "SRFT_DEBUG"),
        ("debug: true\n", "", True, "srft.yaml:1"),
        ("debug: true\n", "0", False, "SRFT_DEBUG"),
    ],
)
def test_tracebacks_are_shown_as_the_settings_say(
    project: Path, file: str, variable: str, shows: bool, place: str
) -> None:
    state(project, file)
    os.environ["SRFT_DEBUG"] = variable
    assert origin("debug") == (shows, place)
    told = srft(project, "show", "nothing")
    assert told.returncode == 2
    assert ("Traceback" in told.stderr) == shows
    rows = json.loads(srft(project, "config", "--json").stdout)["rows"]
    assert {row["name"]: row["origin"] for row in rows}["debug"] == place


def test_the_project_is_the_nearest_folder_upward_and_holds_the_state(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state(project, "")
    (project / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(project / "deep" / "er")
    assert current_home().root == current_project().root == project
    state(project, "home: ../state\n")
    assert current_home().root == project.parent / "state"
    monkeypatch.chdir(project.parent)
    os.environ["SRFT_PROJECT"] = str(project)
    assert current_project().root == project
    os.environ["SRFT_PROJECT"] = str(project.parent)
    with pytest.raises(UsageError, match=r"no srft.yaml in .*; srft init makes one"):
        current_project()


def test_a_project_that_another_account_put_above_the_current_folder_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = state(project.parent, "vllm: {command: [touch, planted]}\n")
    if os.geteuid() == 0:
        os.chown(file, 4242, 4242)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(UsageError, match=r"srft.yaml is of another account, .*SRFT_PROJECT="):
        current_project()
    os.environ["SRFT_PROJECT"] = str(project.parent)
    assert current_project().root == project.parent


def test_a_home_that_is_a_project_goes_before_the_current_folder(project: Path) -> None:
    state(project, "")
    other = project.parent / "other"
    other.mkdir()
    os.environ["SRFT_HOME"] = str(other)
    assert current_project().root == project
    state(other, "")
    assert current_project().root == other


def test_a_relative_home_in_the_env_file_is_so_to_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state(project, "")
    (project / ".env").write_text("SRFT_HOME=state\n")
    (project / "deep").mkdir()
    monkeypatch.chdir(project / "deep")
    assert origin("home") == (str(project / "state"), ".env")
    assert current_home().root == project / "state"


def test_a_current_folder_that_is_no_project_states_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srft_assets.project.folder.CHECKOUT", project.parent / "site-packages")
    (project / ".env").write_text("SRFT_BASE_MODEL=theirs\n")
    arm = project / "arms" / "theirs" / "defs.yaml"
    arm.parent.mkdir(parents=True)
    arm.write_text("type: srft_assets.components.Arm\n")
    assert current_project().root == project
    assert (settings().base_model, own_files()) == ("tiny", [])
    state(project, "")
    assert settings().base_model == "theirs"
    assert len(own_files()) == 1


def test_critics_and_arms_take_what_they_leave_open(project: Path) -> None:
    before = load_stages()
    state(
        project,
        "base_model: some/model\nbatches: [mini]\nlaunch: {launcher: torchrun, processes: 2}\n"
        "critic: {model: judge}\n",
    )
    after = load_stages()
    changed = [key for key in before if before[key].config != after[key].config]
    assert {key.split("/")[0] for key in changed} >= {"step_verdicts", "checkpoints"}
    assert "step_verdicts/rules" not in changed
    assert after["step_verdicts/default"].config["model"] == "judge"


def test_how_long_rows_are_is_stated_once_for_all_arms_that_leave_it_open(project: Path) -> None:
    own = project / "arms" / "short" / "defs.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(
        "type: srft_assets.components.Arm\nattributes:\n  too_long: cut\n"
        "  training: {max_length: 512}\n"
    )
    state(project, "")
    before = load_stages()
    state(project, "training: {too_long: windows, max_length: 8192, max_steps: 7}\n")
    after = load_stages()
    masked = after["masked_tokens/sft"].config
    assert (masked["too_long"], masked["max_length"], masked["overlap"]) == ("windows", 8192, 4)
    assert after["checkpoints/sft"].config == {
        **before["checkpoints/sft"].config,
        "max_length": 8192,
        "max_steps": 7,
    }
    assert after["masked_tokens/short"].config == before["masked_tokens/short"].config
    assert after["checkpoints/short"].config["max_length"] == 512
    dealt = ArmSpec(name="dealt", critic="rules", control="random_mask")
    assert forbidden(dealt)["as_many_as"] == ["mistake"]
    assert forbidden(filled_arm(dealt, settings()))["as_many_as"] == [], "windows lose steps"


@pytest.mark.parametrize(
    ("of_project", "of_arm", "expected"),
    [
        ({"epochs": 2}, {}, {"epochs": 2}),
        ({"epochs": 2}, {"max_steps": 9}, {"max_steps": 9}),
        ({"epochs": 2}, {"epochs": 3}, {"epochs": 3}),
        ({"max_steps": 7}, {"epochs": 3}, {"epochs": 3}),
        ({"max_steps": 7}, {}, {"max_steps": 7}),
    ],
)
def test_an_arm_decides_how_long_it_trains_before_the_project_does(
    of_project: dict[str, int], of_arm: dict[str, int], expected: dict[str, int]
) -> None:
    arm = ArmSpec(name="x", training=of_arm)
    filled = filled_arm(arm, Settings(training=of_project))
    config = checkpoints_stage(filled).config
    assert {k: config[k] for k in ("epochs", "max_steps") if k in config} == expected


def test_a_project_states_epochs_or_steps() -> None:
    with pytest.raises(ValidationError, match="max_steps and epochs exclude each other"):
        Settings(training={"epochs": 1, "max_steps": 2})


def test_how_checkpoints_are_scored_is_stated_once_for_all_arms_that_leave_it_open(
    project: Path,
) -> None:
    own = project / "arms" / "few" / "defs.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("type: srft_assets.components.Arm\nattributes: {evaluation: {tasks: 3}}\n")
    file = state(project, "evaluation: {tasks: 7, attempts: 2}\n")
    stages = load_stages()
    open_one, own_one = (stages[f"eval_scores/{arm}"].config for arm in ("sft", "few"))
    assert (open_one["tasks"], open_one["attempts"]) == (7, 2)
    assert (own_one["tasks"], own_one["attempts"]) == (3, 1)
    state(project, "evaluation:\n  tasks: 7\n  attempt: 2\n")
    told = f"{file}:3: attempt: no such setting, the nearest is attempts"
    with pytest.raises(SrftError) as raised:
        load_stages()
    assert str(raised.value) == told
    assert list(faults()) == [told]


def test_the_project_trains_by_default_as_an_arm_does() -> None:
    arm, chosen = ArmSpec(name="x"), Settings()
    assert filled_arm(arm, chosen) == arm
    assert chosen.training.model_dump(exclude={"too_long"}).items() <= (
        TrainingSpec().model_dump().items()
    )


def test_what_an_arm_cannot_have_of_the_project_is_told_with_the_arm(project: Path) -> None:
    state(project, "launch: {processes: 2}\n")
    told = r"^arm \w+: with what srft.yaml states: processes needs launcher torchrun or accelerate"
    with pytest.raises(SrftError, match=told):
        load_stages()
    state(project, "training: {max_length: 64}\nevaluation: {serve: {max_model_len: 32}}\n")
    with pytest.raises(SrftError, match=r"^arm \w+: .*max_model_len 32 is below .*max_length 64"):
        load_stages()


def test_the_checkout_is_a_project_and_its_file_names_every_setting() -> None:
    assert (CHECKOUT / "srft.yaml").read_text(encoding="utf-8") == template()
    found = re.findall(r"^# (?:  )?(\w+):", template(), flags=re.MULTILINE)
    shown = [path for path, field in fields() if not is_secret(field)]
    assert set(found) == {part for path in shown for part in path}


def test_the_template_states_the_defaults_once_its_comments_are_taken_away() -> None:
    stated = re.sub(r"^# (?=(  )?\w+:( |$))", "", template(), flags=re.MULTILINE)
    assert Settings(**yaml.safe_load(stated)) == Settings()


def test_every_variable_has_one_setting() -> None:
    names = [variable_of(path) for path, _ in fields()]
    assert len(names) == len(set(names))


def test_commands_that_state_nothing_import_no_parser(project: Path) -> None:
    state(project, "# only comments\n")
    code = (
        "import sys, srft_assets.cli; from srft_assets.home import current_home; current_home();"
        "print(sorted({'yaml', 'pydantic_settings', 'dotenv'} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[]"
