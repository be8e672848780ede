"""A software authenticator and the browser before it: real keys, real bytes, and every lie a test needs.

Makes what `navigator.credentials.create()` and `.get()` give as JSON (WebAuthn Level 3, sections 5.1.4, 5.1.5
and 6). Honest by default; `Lies` says what to claim instead.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
T = TypeVar("T")
HONEST: Any = object()

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80


@dataclass(frozen=True)
class Lies:
    """What to claim instead of the truth; HONEST tells the truth, and None of a member leaves it out."""

    type: str = HONEST
    challenge: bytes = HONEST
    origin: str = HONEST
    rp_id: str = HONEST
    cross_origin: object = HONEST
    client_data: dict[str, object] = field(default_factory=dict)
    client_data_json: bytes = HONEST
    user_present: bool = True
    user_verified: bool = HONEST
    backup_eligible: bool = HONEST
    backup_state: bool = False
    trailing: bytes = b""
    extensions: bytes = b""
    credential_id: bytes = HONEST
    attested_credential_id: bytes = HONEST
    public_key: bytes = HONEST
    attested: bool = HONEST
    attachment: str | None = HONEST
    transports: object = HONEST
    user_handle: bytes | None = HONEST
    sign_count: int = HONEST
    signature: bytes = HONEST
    signed_by: Key = HONEST
    attestation: Callable[[bytes, bytes, Key], tuple[str, dict[str, object]]] = HONEST


TRUTH = Lies()


@dataclass
class Passkey:
    """One credential inside the authenticator."""

    id: bytes
    key: Key
    rp_id: str
    user_handle: bytes
    sign_count: int


class SoftAuthenticator:
    """An authenticator with the browser that speaks for it, at one origin.

    `attachment` is `cross-platform` (a security key) or `platform` (biometrics). `counts` False is an authenticator
    whose signature counter stays zero.
    """

    def __init__(
        self,
        rp_id: str,
        origin: str,
        attachment: str = "cross-platform",
        *,
        algorithm: int = -7,
        aaguid: bytes = bytes(16),
        backup_eligible: bool = False,
        verifies_user: bool = True,
        counts: bool = True,
    ) -> None:
        self.rp_id = rp_id
        self.origin = origin
        self.attachment = attachment
        self.algorithm = algorithm
        self.aaguid = aaguid
        self.backup_eligible = backup_eligible
        self.verifies_user = verifies_user
        self.counts = counts
        self.passkeys: dict[bytes, Passkey] = {}

    def register(self, options: dict[str, Any], lies: Lies = TRUTH) -> dict[str, Any]:
        """Make a credential for `PublicKeyCredentialCreationOptionsJSON` and answer as the browser would."""
        key = new_key(self.algorithm)
        passkey = Passkey(os.urandom(32), key, options["rp"]["id"], unb64(options["user"]["id"]), 0)
        passkey_id = told(lies.attested_credential_id, told(lies.credential_id, passkey.id))
        passkey.id = passkey_id
        self.passkeys[passkey_id] = passkey
        client_data = self._client_data("webauthn.create", options, lies)
        attested = b""
        if told(lies.attested, truth=True):
            public_key = told(lies.public_key, cose_key(key))
            attested = self.aaguid + len(passkey_id).to_bytes(2, "big") + passkey_id + public_key
        data = self._authenticator_data(passkey, attested, lies)
        attestation_format: str = "none"
        statement: dict[str, object] = {}
        if lies.attestation is not HONEST:
            attestation_format, statement = lies.attestation(data, client_data, key)
        attestation_object = cbor2.dumps({"fmt": attestation_format, "attStmt": statement, "authData": data})
        default_transports = ["internal"] if self.attachment == "platform" else ["usb"]
        response: dict[str, Any] = {"clientDataJSON": b64(client_data), "attestationObject": b64(attestation_object)}
        if (transports := told(lies.transports, default_transports)) is not None:
            response["transports"] = transports
        return self._credential(told(lies.credential_id, passkey.id), response, lies)

    def authenticate(self, options: dict[str, Any], lies: Lies = TRUTH) -> dict[str, Any]:
        """Sign for `PublicKeyCredentialRequestOptionsJSON` with a credential that it allows."""
        allowed = [unb64(descriptor["id"]) for descriptor in options["allowCredentials"]]
        passkey = next(self.passkeys[passkey_id] for passkey_id in allowed if passkey_id in self.passkeys)
        passkey.sign_count += self.counts
        client_data = self._client_data("webauthn.get", options, lies)
        attested = self.aaguid + b"\x00\x20" + passkey.id + cose_key(passkey.key) if lies.attested is True else b""
        data = self._authenticator_data(passkey, attested, lies)
        key = told(lies.signed_by, passkey.key)
        signature = told(lies.signature, sign(key, data + hashlib.sha256(client_data).digest()))
        response = {
            "clientDataJSON": b64(client_data),
            "authenticatorData": b64(data),
            "signature": b64(signature),
        }
        if (user_handle := told(lies.user_handle, None)) is not None:
            response["userHandle"] = b64(user_handle)
        return self._credential(told(lies.credential_id, passkey.id), response, lies)

    def _client_data(self, ceremony: str, options: dict[str, Any], lies: Lies) -> bytes:
        client_data = {
            "type": told(lies.type, ceremony),
            "challenge": b64(told(lies.challenge, unb64(options["challenge"]))),
            "origin": told(lies.origin, self.origin),
            "crossOrigin": told(lies.cross_origin, truth=False),
            **lies.client_data,
        }
        return told(lies.client_data_json, json.dumps(client_data, separators=(",", ":")).encode())

    def _authenticator_data(self, passkey: Passkey, attested: bytes, lies: Lies) -> bytes:
        flags = (
            UP * lies.user_present
            | UV * told(lies.user_verified, self.verifies_user)
            | BE * told(lies.backup_eligible, self.backup_eligible)
            | BS * lies.backup_state
            | AT * bool(attested)
            | ED * bool(lies.extensions)
        )
        rp_id_hash = hashlib.sha256(told(lies.rp_id, passkey.rp_id).encode()).digest()
        sign_count = told(lies.sign_count, passkey.sign_count).to_bytes(4, "big")
        return rp_id_hash + bytes([flags]) + sign_count + attested + lies.extensions + lies.trailing

    def _credential(self, credential_id: bytes, response: dict[str, Any], lies: Lies) -> dict[str, Any]:
        text = b64(credential_id)
        credential = {"id": text, "rawId": text, "type": "public-key", "response": response}
        if (attachment := told(lies.attachment, self.attachment)) is not None:
            credential["authenticatorAttachment"] = attachment
        return credential


def told(lie: T, truth: T) -> T:
    """Give the lie, or the truth where there is none."""
    return truth if lie is HONEST else lie


def b64(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Decode base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_key(algorithm: int) -> Key:
    """Make a key for a COSE algorithm: ES256 (-7), EdDSA (-8) or RS256 (-257)."""
    if algorithm == -7:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == -8:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def cose_key(key: Key) -> bytes:
    """Give the public key in COSE form (RFC 9053, section 7)."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return cbor2.dumps({1: 1, 3: -8, -1: 6, -2: key.public_key().public_bytes_raw()})
    numbers = key.public_key().public_numbers()
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
    return cbor2.dumps({1: 3, 3: -257, -1: modulus, -2: numbers.e.to_bytes(3, "big")})


def sign(key: Key, data: bytes) -> bytes:
    """Sign as the key's COSE algorithm does."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashes.SHA256()))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
