"""Runs of killed processes do not stay 'started' for ever."""

import os
import signal
import subprocess
import sys

import dagster as dg
import psutil

from srft_assets.components.abandoned import PROCESS_TAG, close_abandoned, process_name


def started(instance: dg.DagsterInstance, process: str) -> str:
    run = instance.create_run_for_job(
        _job(), tags={"srft/by": "cli", PROCESS_TAG: process}, status=dg.DagsterRunStatus.STARTED
    )
    return run.run_id


def _job() -> dg.JobDefinition:
    @dg.op
    def nothing() -> None:
        pass

    @dg.job
    def some() -> None:
        nothing()

    return some


def test_only_runs_of_dead_processes_are_closed():
    with dg.instance_for_test() as instance:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        gone = started(instance, process_name(child.pid))
        mine = started(instance, process_name(os.getpid()))
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert close_abandoned(instance) == 1
        assert instance.get_run_by_id(gone).status is dg.DagsterRunStatus.FAILURE
        assert instance.get_run_by_id(mine).status is dg.DagsterRunStatus.STARTED


def test_a_clock_that_is_set_does_not_end_a_run(monkeypatch):
    with dg.instance_for_test() as instance:
        mine = started(instance, process_name(os.getpid()))
        began = psutil.Process.create_time
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: began(self) + 1.0)
        assert close_abandoned(instance) == 0
        assert instance.get_run_by_id(mine).status is dg.DagsterRunStatus.STARTED


def test_a_reused_pid_is_another_process():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = process_name(child.pid)
    assert name == process_name(child.pid)
    assert name.partition(":")[2] != process_name(os.getpid()).partition(":")[2]
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process_name(child.pid) == "", "ended, and nobody took note"
    child.wait()
    assert process_name(child.pid) == ""
