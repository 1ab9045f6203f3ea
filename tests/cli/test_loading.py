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


def test_a_fault_of_our_own_keeps_its_traceback(monkeypatch):
    def broken():
        raise ZeroDivisionError

    monkeypatch.setattr("srft_assets.definitions.defs", broken)
    with pytest.raises(ZeroDivisionError):
        loading.load_definitions()
