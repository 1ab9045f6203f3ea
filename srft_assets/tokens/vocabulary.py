"""Which bytes each token of a vocabulary stands for.

In a byte-level vocabulary (GPT-2's alphabet) and in one with byte fallback (SentencePiece), a
token always stands for the same bytes. Where the bytes of all tokens are those of the text, their
running lengths are exact offsets, and the tokenizer need not be asked for any.
"""

import re
from typing import Any

import orjson

BYTE = re.compile(r"<0x([0-9A-F]{2})>")
SPACE = "\u2581"
"""SentencePiece's sign for a space."""


def token_bytes(backend: Any) -> list[bytes] | None:
    """Token id → its bytes; None where the decoder is of another kind.

    A guess about the tokenizer, to be checked against every text: normalizers and prefixed spaces
    make the bytes of the tokens differ from those of the text.
    """
    stated = orjson.loads(backend.to_str())
    kinds = _kinds(stated.get("decoder"))
    if "ByteLevel" in kinds:
        read = _read_byte_level
    elif "ByteFallback" in kinds:
        read = _read_fallback
    else:
        return None
    added = {token["id"]: token["content"] for token in stated["added_tokens"]}
    table = [b""] * (max([*added, *backend.get_vocab().values()], default=-1) + 1)
    for token, number in backend.get_vocab().items():
        table[number] = added[number].encode() if number in added else read(token)
    return table


def prepends_space(backend: Any) -> bool:
    """Whether the tokenizer puts a space before a stretch of text, as SentencePiece does."""
    stated = orjson.loads(backend.to_str())
    scheme = [
        part.get("prepend_scheme", "always")
        for part in _parts(stated.get("pre_tokenizer"))
        if part["type"] == "Metaspace"
    ]
    prefixed = [
        part for part in _parts(stated.get("pre_tokenizer")) if part.get("add_prefix_space")
    ]
    return bool(
        prefixed
        or any(kind != "never" for kind in scheme)
        or "Prepend" in _kinds(stated.get("normalizer"))
    )


def _kinds(stated: dict[str, Any] | None) -> set[str]:
    return {part["type"] for part in _parts(stated)}


def _parts(stated: dict[str, Any] | None) -> list[dict[str, Any]]:
    """A pipeline step and, where it is a sequence, its members."""
    if stated is None:
        return []
    members = [
        one for key in ("decoders", "normalizers", "pretokenizers") for one in stated.get(key, [])
    ]
    return [stated, *(part for member in members for part in _parts(member))]


def _alphabet() -> dict[str, int]:
    """GPT-2's alphabet: printable Latin-1 bytes stand for themselves, the rest follow at U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + at): b for at, b in enumerate(others)}


ALPHABET = _alphabet()


def _read_byte_level(token: str) -> bytes:
    """The bytes of a token; a token with other characters stands for its own text."""
    try:
        return bytes(ALPHABET[char] for char in token)
    except KeyError:
        return token.encode()


def _read_fallback(token: str) -> bytes:
    found = BYTE.fullmatch(token)
    return bytes([int(found[1], 16)]) if found else token.replace(SPACE, " ").encode()
