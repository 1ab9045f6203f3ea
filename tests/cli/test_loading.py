"""What is wrong with a YAML or a prompt is told in one line, less Dagster's tree."""

import pytest
from pydantic import ValidationError

from srft_assets.cli import loading
from srft_assets.errors import SrftError
from srft_assets.tokens.arm import ArmSpec


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (SrftError("prompt.md:3: unknown variable nope"), "loaded: prompt.md:3: unknown variable"),
        (ValueError("Extra inputs are not permitted"), "loaded: ValueError: Extra inputs"),
    ],
)
def test_the_innermost_reason_counts(monkeypatch, cause, told):
    def broken():
        try:
            raise cause
        except Exception as error:
            raise RuntimeError("a tree of components\n" * 40) from error

    monkeypatch.setattr("srft_assets.definitions.defs", broken)
    with pytest.raises(SrftError, match=told) as raised:
        loading.load_definitions()
    assert "tree" not in str(raised.value)


def test_wrong_settings_are_told_with_their_names_and_no_more(monkeypatch):
    def broken():
        try:
            ArmSpec(name="mine", mask=["mistakes"], dedupe=True)
        except ValidationError as error:
            raise RuntimeError("a tree of components") from error

    monkeypatch.setattr("srft_assets.definitions.defs", broken)
    with pytest.raises(SrftError) as raised:
        loading.load_definitions()
    told = str(raised.value).removeprefix("the definitions cannot be loaded: ").split("; ")
    assert sorted(told) == [
        "dedupe: extra inputs are not permitted",
        "mask.0: input should be 'good', 'unnecessary', 'mistake', 'recover' or 'unlabeled'",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "defs.yaml: empty; state `type:` and `attributes:`, or remove the file"),
        ("# later\n", "defs.yaml: empty; state"),
        ("type: srft_assets.components.arm.Alm\n", "defs.yaml: no component of type 'srft_assets"),
        ("type: nowhere.Arm\n", "defs.yaml: no component of type 'nowhere.Arm'; compare the"),
        ("type: Arm\n", "defs.yaml: no component of type 'Arm'; compare the files beside it"),
    ],
)
def test_a_file_without_a_component_is_named(monkeypatch, tmp_path, text, told):
    for name, content in (("a", "type: srft_assets.components.arm.Arm\n"), ("b", text)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "defs.yaml").write_text(content)
    monkeypatch.setattr(loading, "DEFS", tmp_path)

    def broken():
        raise ValueError("no word about the file")

    monkeypatch.setattr("srft_assets.definitions.defs", broken)
    with pytest.raises(SrftError) as raised:
        loading.load_definitions()
    assert f"the definitions cannot be loaded: {tmp_path / 'b'}/{told}" in str(raised.value)


def test_a_fault_of_our_own_keeps_its_traceback(monkeypatch):
    def broken():
        raise ZeroDivisionError

    monkeypatch.setattr("srft_assets.definitions.defs", broken)
    with pytest.raises(ZeroDivisionError):
        loading.load_definitions()
