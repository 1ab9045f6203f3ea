"""Tokenizers come from folders, and say clearly why they do not."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from srft_assets.errors import SrftError
from srft_assets.tokens.tokenizer import (
    ChatTokenizer,
    kept_tokenizer,
    load_tokenizer,
    tokenizer_fingerprint,
)


@pytest.fixture
def folder(tmp_path: Path, chatml: ChatTokenizer) -> Path:
    """A model folder with a tokenizer."""
    chatml.hf.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_tokenizer_is_the_same(folder: Path, chatml: ChatTokenizer) -> None:
    loaded = load_tokenizer(folder)
    assert loaded.backend.to_str() == chatml.backend.to_str()
    assert loaded.template(None) == chatml.template(None)
    assert loaded.special_ids == chatml.special_ids


def test_a_kept_tokenizer_is_loaded_again_only_when_its_files_change(folder: Path) -> None:
    first = kept_tokenizer(folder)
    assert kept_tokenizer(str(folder)) is first
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + "{# another #}")
    second = kept_tokenizer(folder)
    assert second is not first
    assert second.template(None).endswith("{# another #}")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SrftError, match="cannot load a tokenizer from") as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nobody/no-such-model", "/no/such/folder"])
def test_what_is_neither_here_nor_on_the_hub_is_refused_without_long_retries(name: str) -> None:
    with pytest.raises(SrftError, match=f"no tokenizer {name}: no such folder") as caught:
        load_tokenizer(name)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_without_chat_template_is_refused(
    tmp_path: Path, tokenizer_with: Callable
) -> None:
    tokenizer = tokenizer_with("{# of this test alone #}")
    tokenizer.hf.chat_template = None
    tokenizer.hf.save_pretrained(tmp_path)
    with pytest.raises(SrftError, match="has no chat template"):
        load_tokenizer(tmp_path)


def test_the_fingerprint_follows_vocabulary_and_template(
    folder: Path, tmp_path: Path, chatml: ChatTokenizer
) -> None:
    before = tokenizer_fingerprint(folder)
    chatml.hf.save_pretrained(tmp_path / "copy")
    assert tokenizer_fingerprint(tmp_path / "copy") == before
    (folder / "model.safetensors").write_bytes(b"weights")
    assert tokenizer_fingerprint(folder) == before
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + "{# #}")
    assert tokenizer_fingerprint(folder) != before


def test_code_of_a_model_folder_is_not_run(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\n\n\nclass Own: pass\n")
    config = folder / "tokenizer_config.json"
    stated = json.loads(config.read_text())
    stated |= {"auto_map": {"AutoTokenizer": ["own.Own", None]}, "tokenizer_class": "Own"}
    config.write_text(json.dumps(stated))
    with contextlib.suppress(SrftError):
        load_tokenizer(folder)
    assert not ran.exists()


def test_an_id_on_the_hub_stands_for_itself() -> None:
    assert tokenizer_fingerprint("some/model") == "hub:some/model"
