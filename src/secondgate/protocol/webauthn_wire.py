"""What browsers send of WebAuthn ceremonies, taken apart strictly (WebAuthn Level 3, sections 5.1, 5.8.1 and 6.1).

Bounds the size of everything, refuses what has more than one spelling, and judges the fields that both
ceremonies share. Signatures and attestation are judged in `webauthn`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from webauthn.helpers import parse_authenticator_data
from webauthn.helpers.structs import AttestedCredentialData

from secondgate.errors import Malformed, ProofRejected, Reason
from secondgate.protocol.jws import base64url_bytes, is_base64url, parse_json_object

MAX_CREDENTIAL_ID_BYTES = 1023
MAX_CLIENT_DATA_BYTES = 4096
MAX_AUTHENTICATOR_DATA_BYTES = 8192
MAX_ATTESTATION_BYTES = 32_768
MAX_SIGNATURE_BYTES = 2048
MAX_USER_HANDLE_BYTES = 64
ATTACHMENTS = frozenset(("platform", "cross-platform"))
TRANSPORTS = ("usb", "nfc", "ble", "smart-card", "hybrid", "internal")
MAX_TRANSPORTS = 16


@dataclass(frozen=True, slots=True)
class Credential:
    """A `PublicKeyCredential` in JSON: its id, what the client says of its attachment, and its `response`."""

    id: bytes
    attachment: str | None
    response: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PresentedAttestation:
    """What a registration brought to prove the authenticator's model with; nothing of it is proven yet."""

    attestation_object: bytes
    client_data_json: bytes


@dataclass(frozen=True, slots=True)
class AuthenticatorFacts:
    """Authenticator data whose relying party, flags and length have been judged."""

    user_verified: bool
    backup_eligible: bool
    backup_state: bool
    sign_count: int
    attested: AttestedCredentialData | None


def parse_credential(value: object) -> Credential:
    """Read the shape of a credential.

    Raises Malformed for shapes; ProofRejected with CREDENTIAL_ID for an id that is empty or over 1,023 bytes (section
    7.1, step 25).
    """
    if not isinstance(value, dict):
        raise Malformed("credential", "must be an object")
    text = value.get("id")
    if isinstance(text, str) and not 0 < len(text) <= _encoded(MAX_CREDENTIAL_ID_BYTES):
        raise ProofRejected(Reason.CREDENTIAL_ID, "empty or too long")
    credential_id = parse_bytes(value, "id", MAX_CREDENTIAL_ID_BYTES)
    if value.get("rawId") != text or value.get("type") != "public-key":
        raise Malformed("credential", "must have one id, and the type public-key")
    attachment = value.get("authenticatorAttachment")
    if attachment is not None and (not isinstance(attachment, str) or attachment not in ATTACHMENTS):
        raise Malformed("authenticatorAttachment", "must be platform or cross-platform")
    response = value.get("response")
    if not isinstance(response, dict):
        raise Malformed("response", "must be an object")
    return Credential(credential_id, attachment, response)


def parse_bytes(fields: Mapping[str, object], name: str, max_bytes: int) -> bytes:
    """Read one field of canonical base64url. Raises Malformed."""
    text = fields.get(name)
    if not isinstance(text, str) or len(text) > _encoded(max_bytes) or not is_base64url(text):
        raise Malformed(name, f"must be base64url of at most {max_bytes} bytes")
    return base64url_bytes(text)


def parse_transports(value: object) -> tuple[str, ...]:
    """Read the transports that we know, in their own order. Raises Malformed for what is no list of texts."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_TRANSPORTS or not all(isinstance(item, str) for item in value):
        raise Malformed("transports", "must be a list of texts")
    return tuple(transport for transport in TRANSPORTS if transport in value)


def verify_client_data(
    client_data_json: bytes, *, expected_type: str, expected_challenge: bytes, expected_origin: str
) -> None:
    """Prove that a browser took part in this ceremony, here (section 7.1, steps 5 to 11; 7.2, steps 9 to 15).

    Raises Malformed; ProofRejected with WRONG_CEREMONY, WRONG_CHALLENGE, WRONG_ORIGIN or CROSS_ORIGIN.
    """
    try:
        client_data = parse_json_object(client_data_json)
    except ValueError as error:
        raise Malformed("clientDataJSON", "must be a JSON object") from error
    if client_data.get("type") != expected_type:
        raise ProofRejected(Reason.WRONG_CEREMONY)
    presented_challenge = parse_bytes(client_data, "challenge", MAX_CLIENT_DATA_BYTES)
    if not hmac.compare_digest(presented_challenge, expected_challenge):
        raise ProofRejected(Reason.WRONG_CHALLENGE)
    if client_data.get("origin") != expected_origin:
        raise ProofRejected(Reason.WRONG_ORIGIN)
    if client_data.get("crossOrigin", False) is not False or "topOrigin" in client_data:
        raise ProofRejected(Reason.CROSS_ORIGIN)


def verify_authenticator_data(
    data: bytes, *, expected_rp_id: str, user_verification_required: bool
) -> AuthenticatorFacts:
    """Prove what the authenticator says of itself (section 7.1, steps 14 to 18; 7.2, steps 16 to 20).

    The signature is judged elsewhere. Raises Malformed, for trailing bytes too; ProofRejected with WRONG_RP_ID,
    USER_PRESENCE, USER_VERIFICATION or BACKUP_FLAGS.
    """
    try:
        parsed = parse_authenticator_data(data)
    except Exception as error:  # the library lets errors of every kind through for odd bytes
        raise Malformed("authenticatorData", "cannot be read") from error
    attested = parsed.attested_credential_data
    rebuilt = data[:37]
    if attested is not None:
        rebuilt += attested.aaguid + len(attested.credential_id).to_bytes(2, "big") + attested.credential_id
        rebuilt += attested.credential_public_key
    # The library advances by the length of its own encoding of what it has read. CTAP2 demands the canonical encoding
    # of authenticators (section 6.5.1.1), so that what differs from it is refused together with what trails it.
    if rebuilt + (parsed.extensions or b"") != data:
        raise Malformed("authenticatorData", "must be in canonical form, with nothing behind it")
    if not hmac.compare_digest(parsed.rp_id_hash, hashlib.sha256(expected_rp_id.encode()).digest()):
        raise ProofRejected(Reason.WRONG_RP_ID)
    if not parsed.flags.up:
        raise ProofRejected(Reason.USER_PRESENCE)
    if user_verification_required and not parsed.flags.uv:
        raise ProofRejected(Reason.USER_VERIFICATION)
    if parsed.flags.bs and not parsed.flags.be:
        raise ProofRejected(Reason.BACKUP_FLAGS, "backed up without being eligible")
    return AuthenticatorFacts(parsed.flags.uv, parsed.flags.be, parsed.flags.bs, parsed.sign_count, attested)


def _encoded(length_bytes: int) -> int:
    """Give the length of base64url without padding."""
    return -(-length_bytes * 4 // 3)
