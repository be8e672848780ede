"""Opaque tokens: random values that open something for whoever holds them.

What is stored is only their SHA-256: the values have 256 random bits, so a slow hash would add nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

TOKEN_BYTES = 32


def new_token(random_bytes: Callable[[int], bytes]) -> str:
    """Make a token of 256 random bits in base64url without padding (43 characters)."""
    return base64.urlsafe_b64encode(random_bytes(TOKEN_BYTES)).rstrip(b"=").decode()


def token_hash(token: str) -> str:
    """Give what is stored of a token: 64 hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
