"""Opaque tokens: random, and stored as a hash alone."""

from __future__ import annotations

import re

from secondgate.protocol.opaque_token import new_token, token_hash


def test_a_token_holds_256_random_bits() -> None:
    assert new_token(lambda count: b"\xff" * count) == "_" * 42 + "8"
    assert new_token(bytes) == "A" * 43


def test_only_a_hash_is_stored_whatever_is_presented() -> None:
    hashes = {token_hash(text) for text in ("", "a", "A", "\u00e4", "\ud800")}
    assert len(hashes) == 5
    assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in hashes)
