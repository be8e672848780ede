"""Encryption at rest: AES-256-GCM (NIST SP 800-38D) under subkeys of one key file.

A sealed value is `01`, four octets of key id, a nonce of twelve octets, then ciphertext and tag; the first five
and the place (table, column, row) are authenticated, so that a value moved to another row does not open. Subkeys
come from HKDF with SHA-256 (RFC 5869). The key file is one line: 32 octets in base64url. This module does not
decide whether a key may be made: `opening` does.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secondgate.errors import StartRefused, Unavailable
from secondgate.model.secret import Secret

KEY_BYTES = 32
_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_PREFIX_BYTES = len(_VERSION) + _KEY_ID_BYTES
_NONCE_BYTES = 12


class KeyFileSealer:
    """Seals under a key of 32 octets. `random_bytes(n)` gives n octets nobody can foresee."""

    def __init__(self, key: Secret[bytes], *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._key = key
        self._random_bytes = random_bytes
        self._prefix = _VERSION + self.derive("key-id")[:_KEY_ID_BYTES]
        self._aead = AESGCM(self.derive("seal"))

    def derive(self, purpose: str) -> bytes:
        """Derive a subkey of 32 octets for one purpose; the same for each start with the same key file."""
        info = b"secondgate/" + purpose.encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self._key.reveal())

    def seal(self, value: bytes, *, place: str) -> bytes:
        """Encrypt for `place` (table, column, row)."""
        nonce = self._random_bytes(_NONCE_BYTES)
        return self._prefix + nonce + self._aead.encrypt(nonce, value, self._prefix + place.encode())

    def unseal(self, sealed: bytes, *, place: str) -> bytes:
        """Decrypt. Raises Unavailable when key or place is not the one it was sealed under."""
        if sealed[:_PREFIX_BYTES] != self._prefix:
            raise Unavailable(f"{place.partition('/')[0]}: sealed under another key")
        nonce, ciphertext = sealed[_PREFIX_BYTES:][:_NONCE_BYTES], sealed[_PREFIX_BYTES + _NONCE_BYTES :]
        try:
            return self._aead.decrypt(nonce, ciphertext, self._prefix + place.encode())
        except (InvalidTag, ValueError) as error:
            raise Unavailable(f"{place.partition('/')[0]}: a sealed value does not open") from error


def load_key(path: Path) -> Secret[bytes] | None:
    """Read a key file; None when there is none. Raises StartRefused when it holds no key or cannot be read."""
    try:
        line = path.read_bytes().strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartRefused(f"The key file {path} cannot be read: {error.strerror}.") from error
    try:
        key = base64.b64decode(line + b"=" * (-len(line) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise StartRefused(f"The key file {path} holds no sealing key: restore it from a backup.")
    return Secret(key)


def save_key(path: Path, key: Secret[bytes]) -> None:
    """Write a key file with mode 0600, on disk when this returns. Raises OSError."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.urlsafe_b64encode(key.reveal()).rstrip(b"=") + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
