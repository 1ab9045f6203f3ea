"""The tokenizer of the token tests."""

from tests.tokens.conftest import chatml, tokenizer_with

__all__ = ["chatml", "tokenizer_with"]
