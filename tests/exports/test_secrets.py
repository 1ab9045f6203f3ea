"""What is secret in a run stops its export, or is replaced before its tokens are made."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from srft_assets.cli.push import _push
from srft_assets.errors import SrftError
from srft_assets.exports.guard import check_files
from srft_assets.exports.secrets import Redaction, secrets_in
from srft_assets.tokens.token_labels import IGNORED, MaskedRow
from srft_assets.tokens.tokenizer import load_tokenizer
from srft_assets.trajectories.model import rows_of
from tests.exports.conftest import Platform, text_run, tool_run

GITHUB = "ghp_" + "a1B2" * 9
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{'MIIE' * 20}\n-----END RSA PRIVATE KEY-----"

HF = f"hf_{'Zz9' * 11}z"
NPM = f"npm_{'aB3dE6' * 6}"
CUT = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{'b3BlbnNzaC1r' * 5}\nAAAA"


def token_of(chars: int) -> str:
    """A JSON web token whose payload has about so many characters."""
    parts = [{"alg": "RS256"}, {"sub": "x" * chars}]
    told = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode() for one in parts]
    return ".".join([*(one.rstrip("=") for one in told), "s" * 342])


def leaky(name: str = "leaky"):
    """A run that is answered with a token and an address, and gives the token on."""
    run = text_run(name, "look", f"curl -H 'token {GITHUB}'", "mend")
    run.messages[3]["content"] = f"GITHUB_TOKEN={GITHUB} of ada@lovelace.org in /home/ada/src"
    return run


@pytest.mark.parametrize(
    ("text", "kind", "secret"),
    [
        (f"export T={GITHUB}", "GitHub token", GITHUB),
        (f'{{"key": "sk-ant-{"x1" * 20}"}}', "Anthropic key", f"sk-ant-{'x1' * 20}"),
        (f"OPENAI_API_KEY=sk-proj-{'Ab1_' * 12}", "OpenAI key", f"sk-proj-{'Ab1_' * 12}"),
        (HF, "Hugging Face token", HF),
        (f"GH_TOKEN=github_pat_{'1A' * 40}", "GitHub token", f"github_pat_{'1A' * 40}"),
        (f"NPM_TOKEN={NPM}", "npm token", NPM),
        (f"AWS_SECRET_ACCESS_KEY={'wJ/+k' * 8}", "AWS key", "wJ/+k" * 8),
        (f'"SecretAccessKey\\": \\"{"wJ/+k" * 8}\\"', "AWS key", "wJ/+k" * 8),
        (f"{CUT}\n[... cut ...]", "private key", CUT),
        (f"{'z' * 3400} {token_of(900)} {'z' * 2000}", "JSON web token", token_of(900)),
        ("key AKIA" + "Q" * 16, "AWS key", "AKIA" + "Q" * 16),
        (f"before\n{PEM}\nafter", "private key", PEM),
        (orjson.dumps(PEM).decode(), "private key", PEM.replace("\n", "\\n")),
        ("git clone https://ada:s3cr3t9@host.io/x", "password", "s3cr3t9"),
        ("Author: Ada <ada@lovelace.org>", "e-mail address", "ada@lovelace.org"),
        ('{"text": "by\\nada@lovelace.org"}', "e-mail address", "ada@lovelace.org"),
        ("cd /Users/ada/src", "home folder", "ada"),
        ('"C:\\\\Users\\\\ada\\\\src"', "home folder", "ada"),
        ("gcc -I/home/ada/include", "home folder", "ada"),
        ("cd /mnt/c/Users/ada", "home folder", "ada"),
        ("~/.claude/projects/-Users-ada-src", "home folder", "ada"),
        ('{"text": "in\\n/home/ada/src"}', "home folder", "ada"),
        ('{"text": "Ada \\u003cada@lovelace.org\\u003e"}', "e-mail address", "ada@lovelace.org"),
        ("émile@lovelace.org", "e-mail address", "émile@lovelace.org"),
        ("by ada@gitlab.com", "e-mail address", "ada@gitlab.com"),
    ],
)
def test_it_is_found(text: str, kind: str, secret: str):
    (one,) = secrets_in(text)
    assert (one.kind, text[one.start : one.end]) == (kind, secret)


@pytest.mark.parametrize(
    "text",
    [
        "commit 4482213d6ab81a96db4e9c0768e51d20ade4acda",
        "+@dataclasses.dataclass\n-@functools.lru_cache",
        "git@github.com:octo/calc.git you@example.com root@localhost",
        "Ada <1+ada@users.noreply.github.com>, noreply@github.com",
        "http://user:pass@host:8080 http://user:password@proxy",
        "/home/user/x /home/runner/work /testbed/home/ada.py",
        "sk-learn task-based risk-averse-but-otherwise-a-perfectly-usual-identifier",
        "value @ matrix, a@b, x@y.z1",
    ],
)
def test_it_is_none(text: str):
    assert secrets_in(text) == []


def test_the_same_is_replaced_by_the_same():
    redaction = Redaction()
    assert redaction.text("a@x.org b@x.org a@x.org") == (
        "redacted-1@example.com redacted-2@example.com redacted-1@example.com"
    )
    assert redaction.text("/home/ada a@x.org") == "/home/redacted-user-1 redacted-1@example.com"
    assert redaction.by_kind == {"e-mail address": 4, "home folder": 1}
    once = redaction.text(f"{PEM} {GITHUB}")
    assert once == "redacted-private-key-1 redacted-github-token-1"
    assert secrets_in(once) == []


@pytest.mark.parametrize("secret", [HF, f"sk-ant-{'x1' * 20}", f"AIza{'a1B2c3D' * 5}", CUT, NPM])
@pytest.mark.parametrize("around", ["cat <<E\n{}\nE", "a\t{}", "say '//host/:_authToken={}' > 'ü'"])
def test_what_a_tool_is_called_with_stays_json(secret: str, around: str):
    arguments = json.dumps({"command": around.format(secret), "n": [1]}, indent=3)
    call = {"name": "bash", "arguments": arguments}
    redaction = Redaction()
    after = redaction.of({"function": call}, ("", None))["function"]["arguments"]
    assert secret not in json.loads(after)["command"] and '\n   "n": [' in after
    ((kind, count),) = redaction.by_kind.items()
    name = f"redacted-{kind.lower().replace(' ', '-')}-1"
    assert (json.loads(after)["command"], count) == (around.format(name), 1)
    assert secrets_in(arguments), "a file is read as it lies"


@pytest.mark.parametrize(
    "text", ["/home/ada/src", "git clone https://ada:s3cr3t9@host.io/x", "-Users-ada-src"]
)
def test_what_was_replaced_is_no_secret(text: str):
    redaction = Redaction()
    after = redaction.of({"arguments": json.dumps({"command": text})}, ("", None))["arguments"]
    assert "redacted-" in after and redaction.places.total() == 1
    assert secrets_in(after) == []


def test_arguments_that_are_no_json_are_redacted_too():
    broken = {"arguments": f'{{"command": "export T={HF}'}
    assert Redaction().of(broken, ("", None)) == {
        "arguments": '{"command": "export T=redacted-hugging-face-token-1'
    }


def test_what_is_allowed_hides_no_key():
    text = f"https://x:{GITHUB}.more@host.io"
    assert Redaction(["password"]).text(text) == "https://x:redacted-github-token-1.more@host.io"


def test_a_long_hostile_line_is_read_in_bounded_time():
    assert secrets_in("eyJ" * 100_000 + "sk-" * 100_000 + "a@" * 100_000) == []
    assert secrets_in("eyJ." * 50_000 + "-----BEGIN PRIVATE KEY-----\\n" * 500) == []
    assert Redaction().of({"arguments": '"\\' * 50_000}, ("", None))


def test_a_key_in_an_observation_stops_the_export(platform: Platform, tmp_path: Path):
    platform.add("three", leaky())
    out = tmp_path / "out"
    for form in ("messages", "parquet"):
        with pytest.raises(SrftError) as stopped:
            platform.export(form, out)
        told = str(stopped.value)
        assert (
            "not exported, as it holds 2 × GitHub token, 1 × e-mail address, 1 × home folder"
            in told
        )
        assert "leaky step 0: 1 × GitHub token" in told and "leaky step 1: 1 × GitHub token" in told
        assert GITHUB not in told and "lovelace" not in told
        assert not out.exists()


def test_what_is_allowed_passes_and_a_key_never_does(platform: Platform, tmp_path: Path):
    run = text_run("mail")
    run.messages[3]["content"] = "ada@lovelace.org"
    platform.add("three", run)
    done = platform.export("messages", tmp_path / "out", allowed=["email"])
    assert done.counts.total["runs"] == 4
    assert orjson.loads((tmp_path / "out" / "srft_export.json").read_bytes())["allowed"] == [
        "email"
    ]
    platform.add("four", leaky())
    with pytest.raises(SrftError, match="2 × GitHub token"):
        platform.export("messages", tmp_path / "out", allowed=["email", "home", "password"])


def test_redacted_runs_are_masked_anew_and_no_mask_moves(platform: Platform, tmp_path: Path):
    platform.add("three", leaky(), tool_run("clean"))
    done = platform.export("parquet", tmp_path / "out", "three", redact=True)
    assert dict(done.counts.redacted) == {"GitHub token": 2, "e-mail address": 1, "home folder": 1}
    (file,) = (tmp_path / "out" / "data").iterdir()
    written = map(MaskedRow.from_row, pq.read_table(file).to_pylist())
    rows = {row.trajectory_id: row for row in written}
    before = {row["trajectory_id"]: MaskedRow.from_row(row) for row in platform.rows("three")}
    backend = load_tokenizer(platform.tokenizer).backend
    text = backend.decode(rows["leaky"].input_ids.tolist())
    assert GITHUB not in text and "lovelace" not in text and "/home/ada" not in text
    assert text.count("redacted-github-token-1") == 2 and "redacted-1@example.com" in text
    labels = rows["leaky"].labels()
    trained = backend.decode(labels[labels != IGNORED].tolist(), skip_special_tokens=False)
    assert "look" in trained and "mend" in trained and "curl" not in trained
    masks = [
        [(one.step_index, one.trained, one.label) for one in row["leaky"].spans]
        for row in (before, rows)
    ]
    assert masks[0] == masks[1]
    assert rows["clean"].input_ids.tolist() == before["clean"].input_ids.tolist()
    card = (tmp_path / "out" / "README.md").read_text()
    assert "1 × e-mail address, 1 × home folder" in card


def homely(name: str = "homely"):
    """A run whose task and first answer get longer by redaction."""
    run = text_run(name, "see /home/al/x", "break", "mend")
    run.messages[1]["content"] = "Fix /home/al/a now"
    return run


def longest(platform_with) -> int:
    """Tokens of `homely`, whose last step ends with them."""
    platform = platform_with()
    platform.add("one", homely())
    return platform.rows("one")[0]["n_tokens"]


@pytest.mark.parametrize("too_long", ["drop", "cut"])
def test_a_run_that_redaction_makes_too_long_is_refused_and_counted(
    platform_with, tmp_path: Path, too_long: str
):
    room = {"max_length": longest(platform_with)}
    platform = platform_with(too_long=too_long, training=room)
    platform.add("one", homely(), text_run("c"))
    assert len(platform.rows("one")) == 2
    done = platform.export("parquet", tmp_path / "out", redact=True)
    assert (done.counts.refused, done.counts.total["runs"]) == (
        {"is too long once it is redacted": 1},
        1,
    )


def test_a_step_that_weighs_one_does_so_redacted(platform_with, tmp_path: Path):
    platform = platform_with(weights={"recover": 0.5})
    platform.add("one", homely())
    done = platform.export("parquet", tmp_path / "out", redact=True)
    assert not done.counts.refused and done.counts.weights == {1.0: 1, 0.5: 1}


def test_names_beside_the_chat_are_read_too(platform: Platform, tmp_path: Path):
    model, project = "/home/janedoe/models/Qwen", "-Users-janedoe-src-app"
    run = replace(text_run(f"{project}.0"), model=model, instance_id=project)
    platform.add("three", run)
    with pytest.raises(SrftError, match=r"the card: 1 × home folder") as stopped:
        platform.export("messages", tmp_path / "out", "three")
    assert "4 × home folder" in str(stopped.value)
    out = tmp_path / "out"
    platform.export("messages", out, "three", redact=True)
    files = [path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()]
    check_files(out, files, [])
    assert "/home/redacted-user-1/models/Qwen" in (out / "README.md").read_text()
    (file,) = (out / "data").iterdir()
    (row,) = pq.read_table(file).to_pylist()
    assert row["instance_id"] == "-Users-redacted-user-1-src-app"


@pytest.mark.parametrize("form", ["messages", "parquet", "axolotl-spans"])
def test_the_name_of_a_batch_is_read_too(platform: Platform, tmp_path: Path, form: str):
    """As `srft ingest ~/.claude/projects/-home-alice-app` calls it; spans refuse a run with calls,
    which `refused.jsonl` tells."""
    name = "home-alice-app"
    platform.add(name, tool_run("d"), text_run("e"))
    with pytest.raises(SrftError, match=r"1 × home folder \(a batch's name: "):
        platform.export(form, tmp_path / "kept", name)
    report = f"<td>{name}</td><td>home-alice-else</td>"
    platform.add("home-alice-else", text_run("f"))
    platform.export(form, tmp_path / "out", name, redact=True, report=report)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path.name for path in files if b"alice" in path.read_bytes()]
    manifest = json.loads((tmp_path / "out/srft_export.json").read_text())
    assert list(manifest["made_from"]["batches"]) == ["home-redacted-user-1-app"]
    platform.export(form, tmp_path / "allowed", name, allowed=("home",))


def test_tokens_that_are_older_than_their_chat_are_read_too(platform: Platform, tmp_path: Path):
    platform.add("three", text_run("b", f"use {HF}", "break", "mend"))
    platform.put("trajectories", rows_of([text_run("b", "use it", "break", "mend")], "x"), "three")
    with pytest.raises(SrftError, match="b: 1 × Hugging Face token"):
        platform.export("trl", tmp_path / "out", "three", stale_ok=True)
    done = platform.export("trl", tmp_path / "out", "three", stale_ok=True, redact=True)
    (file,) = (tmp_path / "out" / "data").iterdir()
    (row,) = pq.read_table(file).to_pylist()
    text = load_tokenizer(platform.tokenizer).decode(row["input_ids"])
    assert "use it" in text and HF not in text and done.counts.total["runs"] == 1


def test_a_run_that_is_not_exported_anyway_stops_nothing(platform_with, tmp_path: Path):
    platform = platform_with(weights={"recover": 0.5})
    platform.add("one", leaky(), text_run("other", "look", "break"))
    done = platform.export("trl", tmp_path / "out")
    assert (done.counts.refused.total(), done.counts.total["runs"]) == (1, 1)
    with pytest.raises(SrftError, match="2 × GitHub token"):
        platform.export("trl", tmp_path / "more", round_weights=True)


def test_the_chat_of_a_redacted_run_says_the_same(platform: Platform, tmp_path: Path):
    platform.add("three", leaky())
    platform.export("openai", tmp_path / "out", "three", redact=True)
    (file,) = (tmp_path / "out" / "data").iterdir()
    told = file.read_text()
    assert GITHUB not in told and told.count("redacted-github-token-1") == 2
    assert [one.get("weight") for one in orjson.loads(told)["messages"]][2::2] == [1, 0, 1]


def test_a_folder_with_a_key_in_it_is_not_pushed(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text(f'{{"text": "ok"}}\n{{"text": "{GITHUB}"}}\n')
    (tmp_path / "README.md").write_text("by ada@lovelace.org")
    files = ["README.md", "data/train.jsonl"]
    with pytest.raises(SrftError, match=r"data/train\.jsonl line 2: GitHub token") as stopped:
        check_files(tmp_path, files, ["email"])
    assert GITHUB not in str(stopped.value) and "README" not in str(stopped.value)
    with pytest.raises(SrftError, match=r"README\.md line 1: e-mail address"):
        _push(tmp_path, "octo/calc", "dataset", files, public=False, dry_run=True)
