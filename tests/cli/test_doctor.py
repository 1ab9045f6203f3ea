"""`srft doctor` names what is damaged, `--repair` mends it, `srft backup` copies the database."""

import os
from pathlib import Path

import pytest

from srft_assets import devices
from srft_assets.cli import doctor as module
from srft_assets.critic.ledger import Ledger
from srft_assets.database.backup import backups, put_back, unsound
from srft_assets.home import Home
from srft_assets.platform.repair import damaged
from srft_assets.platform.stages import load_stages
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.partitions import Warehouse
from tests.cli.conftest import Said, Srft
from tests.warehouse.filled_ledger import fill_ledger


@pytest.fixture(autouse=True)
def no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is of no interest here."""
    monkeypatch.setattr(module, "FINDINGS", {})


def flat(said: Said) -> str:
    """What was printed, on one line."""
    return " ".join((said.out + said.err).split())


def overwrite(path: Path, start: int, count: int) -> None:
    """Bytes of a file that a disk lost."""
    content = bytearray(path.read_bytes())
    content[start : start + count] = os.urandom(count)
    path.write_bytes(content)


@pytest.mark.parametrize("script", ["exec sleep 60", "exit 3", "echo '[N/A], [N/A]'"])
def test_programs_that_hang_or_fail_are_findings_and_end_nothing(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nvidia-smi", "docker"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(devices, "SECONDS", 0.5)
    assert module.gpu()[:2] == (False, "driver without a GPU")
    if not script.startswith("echo"):
        assert module.docker()[:2] == (False, "client, but no daemon")


def test_the_gpus_of_the_driver_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 81559'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert module.gpu() == (True, "NVIDIA H100 80GB HBM3, 81559 MiB", "")


def test_a_sound_platform_is_said_to_be_sound(srft: Srft, filled: Home):
    said = srft("doctor")
    assert (said.code, said.err) == (0, "")
    assert "Nothing is damaged" in said.out and "--deep reads all of it" in flat(said)
    assert flat(srft("doctor", "--deep")).endswith(f"Nothing is damaged in {filled.root}.")


def test_damaged_partitions_are_named_moved_aside_and_made_again(srft: Srft, filled: Home):
    warehouse = Warehouse(filled.warehouse)
    torn, rows = warehouse.path("trajectories", "one"), warehouse.path("step_verdicts/rules", "two")
    before = warehouse.read("trajectories", "one")
    os.truncate(torn, 300)
    frame, stamp = (
        warehouse.read("step_verdicts/rules", "two"),
        warehouse.stamp("step_verdicts/rules", "two"),
    )
    warehouse.write("step_verdicts/rules", "two", frame.head(0), stamp)
    heads = flat(srft("doctor"))
    assert f"{torn}: parquet" in heads and str(rows) not in heads
    said = srft("doctor", "--deep")
    assert said.code == 1
    assert f"{torn}: parquet" in flat(said)
    assert f"{rows}: its rows are not those that were written" in flat(said)
    assert srft("doctor", "--repair").code == 0
    assert (filled.root / "damaged" / "warehouse" / "trajectories" / "one.parquet").exists()
    assert srft("apply", "step_verdicts/rules").code == 0
    assert warehouse.read("trajectories", "one").equals(before)
    assert warehouse.read("step_verdicts/rules", "two").equals(frame)
    assert srft("doctor").code == 0


def test_a_damaged_database_comes_back_from_its_copy_and_the_paid_calls(srft: Srft, filled: Home):
    assert srft("backup").code == 0
    fill_ledger(filled)
    with Ledger(filled) as ledger:
        answers = list(ledger.everything())
    file = filled.root / "srft.db"
    for part in filled.root.glob("srft.db-?[ah][lm]"):
        part.unlink()
    file.write_bytes(b"no database" * 999)
    assert f"{file} is damaged" in flat(srft("plan"))
    said = srft("doctor", "--repair")
    assert said.code == 0 and "copy" in flat(said)
    assert unsound(file) == ""
    assert batch_names(filled) == ["one", "two"]
    with Ledger(filled) as ledger:
        kept = {reply.key for reply, _ in ledger.everything()}
    assert kept == {reply.key for reply, _ in answers} != set()
    assert (filled.root / "damaged" / "srft.db").exists()


def test_without_a_copy_the_batches_to_ingest_again_are_named(srft: Srft, filled: Home):
    for part in filled.root.glob("srft.db*"):
        if part.is_file():
            part.unlink()
    (filled.root / "srft.db").write_bytes(b"no database" * 999)
    assert "ingest again what it does not know: one, two" in flat(srft("doctor", "--repair"))


def test_a_copy_is_sound_and_the_last_one_is_first(srft: Srft, filled: Home):
    for _ in range(2):
        assert srft("backup").code == 0
    copies = list(backups(filled.root / "srft.db"))
    assert copies == sorted(copies, reverse=True) and len(copies) == 2
    assert [unsound(copy) for copy in copies] == ["", ""]


def test_killed_while_a_copy_is_put_back_the_file_is_there(
    srft: Srft, filled: Home, monkeypatch: pytest.MonkeyPatch
):
    assert srft("backup").code == 0
    file, aside = filled.root / "srft.db", filled.root / "damaged" / "srft.db"
    file.write_bytes(b"no database" * 999)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", killed)
        put_back(file, aside)
    assert file.read_bytes() == aside.read_bytes() == b"no database" * 999
    assert put_back(file, aside) is not None
    assert unsound(file) == ""
    assert file.stat().st_nlink == 1


def test_a_partition_that_is_made_again_meanwhile_stays(filled: Home):
    warehouse, stages = Warehouse(filled.warehouse), load_stages()
    path = warehouse.path("step_verdicts/rules", "one")
    sound = path.read_bytes()
    os.truncate(path, 300)
    [found] = damaged(filled, stages, deep=True)
    path.write_bytes(sound)
    assert "made again" in found.repair()
    assert path.read_bytes() == sound


def test_the_damaged_log_of_one_run_costs_no_other(srft: Srft, filled: Home):
    logs = filled.dagster / "history" / "runs"
    logs.mkdir(parents=True, exist_ok=True)
    (logs / "a-run.db").write_bytes(b"no database" * 999)
    beside = {path for path in logs.glob("*.db") if path.name != "a-run.db"}
    said = srft("doctor", "--repair")
    assert said.code == 0 and "the events of that run" in flat(said)
    assert {*logs.glob("*.db")} == beside != set()
    assert srft("doctor").code == 0


@pytest.mark.parametrize("what", ["settings", "history"])
def test_a_damaged_dagster_is_named_and_made_new(srft: Srft, filled: Home, what: str):
    if what == "settings":
        (filled.dagster / "dagster.yaml").write_text("telemetry: [")
    else:
        for file in (filled.dagster / "history").glob("*.db"):
            overwrite(file, 0, file.stat().st_size)
    Warehouse(filled.warehouse).path("step_verdicts/rules", "one").unlink()
    failed = srft("apply", "step_verdicts/rules")
    assert failed.code == 1 and "srft doctor --repair" in flat(failed)
    assert "srft doctor --repair" in flat(srft("dev"))
    assert srft("doctor", "--repair").code == 0
    assert "5 of 6 partitions in sync" in srft("plan", "step_verdicts/rules").out
    assert srft("apply", "step_verdicts/rules").code == 0
