"""`make test-gpu` without a GPU, and its parts on the CPU with the tiny model.

It takes a minute, most of it imports of torch in five processes: nothing else runs this script
before somebody pays for a machine with GPUs.
"""

import os
import re
import sys
from pathlib import Path

import pytest

from srft_assets.devices import Device
from tests.critic.server import serving
from tools.gpu import __main__ as gpu
from tools.gpu.parts import Failed, Skipped, Stated

FIGURE = re.compile(r"^\| (\w+) \| ([^|]*) \| (.*) \|$", re.MULTILINE)


def told(text: str) -> dict[tuple[str, str], str]:
    """Part and figure → what the report says of it."""
    return {(part, figure.strip()): value for part, figure, value in FIGURE.findall(text)}


def test_without_a_gpu_it_says_so_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu"])
    gpu.main()
    assert capsys.readouterr().out.startswith("no GPU: nothing was measured; torch ")


def test_a_part_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(stated: Stated) -> dict[str, object]:
        raise Failed("out of memory")

    def skips(stated: Stated) -> dict[str, object]:
        raise Skipped("no vLLM")

    def breaks(stated: Stated) -> dict[str, object]:
        raise KeyError("a | b")

    def works(stated: Stated) -> dict[str, object]:
        return {"tokens a second": 12345.6}

    monkeypatch.setattr(gpu, "PARTS", (fails, skips, breaks, works))
    monkeypatch.setattr(gpu, "prepare", lambda stated: None)
    monkeypatch.setattr(gpu, "training_gpus", lambda: [Device("H100", 80 * 2**30)])
    out = tmp_path / "report.md"
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(out), "--folder", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        gpu.main()
    assert end.value.code
    found = told(out.read_text())
    assert found["fails", ""] == "FAILED: out of memory"
    assert found["skips", ""] == "skipped: no vLLM"
    assert found["breaks", ""] == "FAILED: KeyError: 'a \\| b'"
    assert found["works", "tokens a second"] == "12,346"
    assert "- GPUs: H100 (80 GiB)" in out.read_text()


def test_the_parts_run_on_a_cpu_with_the_tiny_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, words = tmp_path / "report.md", ["--runs", "4", "--steps", "2", "--max-length", "2048"]
    words += ["--device", "cpu", "--base", "tiny", "--game-steps", "2"]
    words += ["--out", str(out), "--folder", str(tmp_path / "state")]
    monkeypatch.setattr(sys, "argv", ["gpu", *words])
    for name in ("SRFT_HOME", "SRFT_PROJECT"):
        monkeypatch.setenv(name, "")
    mask = os.umask(0o022)
    with serving() as server, pytest.raises(SystemExit) as end:
        monkeypatch.setenv("SRFT_CRITIC_URL", server.base_url)
        gpu.main()
    os.umask(mask)
    text = out.read_text()
    assert not end.value.code, text
    found = told(text)
    assert found["runs", "runs"] == found["critic", "calls"] == "4"
    assert 0 < float(found["critic", "share of prompt tokens from the cache"]) < 1
    for part in ("lora", "trl_packing"):
        assert float(found[part, "tokens a second"].replace(",", "")) > 0
    foretold = float(found["lora", "the same as foretold, GiB"])
    assert 0.7 < foretold / float(found["lora", "peak memory of a process, GiB"]) < 1.3
    assert found["fsdp2", ""].startswith("skipped: it shares a model out to several GPUs")
    assert float(found["merge", "GB"]) > 0
    assert (found["game", "steps"], found["game", "ended"]) == ("2", "LimitsExceeded")
