"""WebAuthn: security keys and biometrics (WebAuthn Level 3, sections 7.1 and 7.2; py_webauthn underneath).

Makes the options of both ceremonies and judges what comes back. What a method is stays as it was asked
for: an assertion proves the method that its authenticator was registered for, whatever it says of itself.
Left to others: that a challenge is used once and in time (the flow), that a credential id is unique and a
signature counter grows (the store), and whose root an attestation leads to (`attestation`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import webauthn
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn.helpers import (
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_cbor,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AttestationFormat,
    AuthenticatorAttachment,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialHint,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from secondgate.errors import Malformed, ProofRejected, Reason
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from secondgate.protocol.webauthn_wire import (
    MAX_ATTESTATION_BYTES,
    MAX_AUTHENTICATOR_DATA_BYTES,
    MAX_CLIENT_DATA_BYTES,
    MAX_CREDENTIAL_ID_BYTES,
    MAX_SIGNATURE_BYTES,
    MAX_USER_HANDLE_BYTES,
    Credential,
    PresentedAttestation,
    parse_bytes,
    parse_credential,
    parse_transports,
    verify_authenticator_data,
    verify_client_data,
)

TIMEOUT_MS = 300_000
MIN_RSA_BITS = 2048
ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
ATTACHMENT = {
    Method.SECURITY_KEY: AuthenticatorAttachment.CROSS_PLATFORM,
    Method.BIOMETRICS: AuthenticatorAttachment.PLATFORM,
}
HINT = {
    Method.SECURITY_KEY: PublicKeyCredentialHint.SECURITY_KEY,
    Method.BIOMETRICS: PublicKeyCredentialHint.CLIENT_DEVICE,
}


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who asks: `id` is the portal's domain, `origin` its `scheme://host[:port]` as browsers write it."""

    id: str
    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class RegisteredCredential:
    """A new credential. `public_key` is a COSE key; `aaguid` (32 hexadecimal digits) is only claimed."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    aaguid: str
    backup_eligible: bool
    transports: tuple[str, ...]
    attestation: PresentedAttestation


@dataclass(frozen=True, slots=True)
class AssertionFacts:
    """What an assertion proves besides the possession of the authenticator."""

    sign_count: int
    user_verified: bool
    backup_state: bool


def registration_options(
    rp: RelyingParty,
    *,
    person_id: str,
    email: str,
    challenge: bytes,
    method: Method,
    enrolled: Sequence[Authenticator],
    attested: bool = False,
) -> dict[str, object]:
    """Give `PublicKeyCredentialCreationOptionsJSON` (section 5.4).

    `enrolled` are all authenticators of the person: none of them can be registered again. `attested` asks for what
    proves the authenticator's model. Raises ValueError for TOTP and for a person's id over 64 bytes.
    """
    user_id = person_id.encode()
    if method not in ATTACHMENT or len(user_id) > MAX_USER_HANDLE_BYTES:
        raise ValueError("a registration needs a WebAuthn method and an id of at most 64 bytes")
    options = webauthn.generate_registration_options(
        rp_id=rp.id,
        rp_name=rp.name,
        user_id=user_id,
        user_name=email,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        attestation=AttestationConveyancePreference.DIRECT if attested else AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            authenticator_attachment=ATTACHMENT[method],
            resident_key=ResidentKeyRequirement.DISCOURAGED,
            user_verification=_user_verification(method),
        ),
        exclude_credentials=_descriptors(enrolled),
        supported_pub_key_algs=ALGORITHMS,
        hints=[HINT[method]],
    )
    options_json: dict[str, object] = json.loads(webauthn.options_to_json(options))
    return options_json


def verify_registration(
    response: object, *, rp: RelyingParty, expected_challenge: bytes, expected_method: Method
) -> RegisteredCredential:
    """Prove a new credential (section 7.1) and give it.

    Raises Malformed for shapes and sizes; ProofRejected with WRONG_CEREMONY, WRONG_CHALLENGE, WRONG_ORIGIN,
    CROSS_ORIGIN, WRONG_RP_ID, USER_PRESENCE, USER_VERIFICATION, BACKUP_FLAGS, CREDENTIAL_ID, PUBLIC_KEY, ATTACHMENT
    or ATTESTATION.
    """
    credential = parse_credential(response)
    transports = parse_transports(credential.response.get("transports"))
    client_data_json = parse_bytes(credential.response, "clientDataJSON", MAX_CLIENT_DATA_BYTES)
    attestation_object = parse_bytes(credential.response, "attestationObject", MAX_ATTESTATION_BYTES)
    verify_client_data(
        client_data_json,
        expected_type="webauthn.create",
        expected_challenge=expected_challenge,
        expected_origin=rp.origin,
    )
    facts = verify_authenticator_data(
        _authenticator_data(attestation_object),
        expected_rp_id=rp.id,
        user_verification_required=expected_method is Method.BIOMETRICS,
    )
    attested = facts.attested
    if attested is None:
        raise Malformed("attestationObject", "must hold a credential")
    if attested.credential_id != credential.id or not 0 < len(attested.credential_id) <= MAX_CREDENTIAL_ID_BYTES:
        raise ProofRejected(Reason.CREDENTIAL_ID)
    _verify_public_key(attested.credential_public_key)
    _verify_attachment(credential, transports, expected_method)
    _verify_attestation(credential, rp=rp, expected_challenge=expected_challenge)
    return RegisteredCredential(
        credential_id=attested.credential_id,
        public_key=attested.credential_public_key,
        sign_count=facts.sign_count,
        aaguid=attested.aaguid.hex(),
        backup_eligible=facts.backup_eligible,
        transports=transports,
        attestation=PresentedAttestation(attestation_object, client_data_json),
    )


def assertion_options(
    rp: RelyingParty, *, challenge: bytes, allowed: Sequence[Authenticator], method: Method
) -> dict[str, object]:
    """Give `PublicKeyCredentialRequestOptionsJSON` (section 5.5) for the authenticators of this method.

    Raises ValueError where there is none: an empty list would ask for any credential.
    """
    descriptors = _descriptors([authenticator for authenticator in allowed if authenticator.method is method])
    if method not in ATTACHMENT or not descriptors:
        raise ValueError("an assertion needs at least one authenticator of a WebAuthn method")
    options = webauthn.generate_authentication_options(
        rp_id=rp.id,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        allow_credentials=descriptors,
        user_verification=_user_verification(method),
    )
    options_json: dict[str, object] = json.loads(webauthn.options_to_json(options))
    return {**options_json, "hints": [HINT[method].value]}


def parse_credential_id(response: object) -> bytes:
    """Give the id of the credential that a response comes from, to look it up; nothing is proven yet.

    Raises Malformed; ProofRejected with CREDENTIAL_ID for an empty id and one over 1,023 bytes.
    """
    return parse_credential(response).id


def verify_assertion(
    response: object, *, rp: RelyingParty, expected_challenge: bytes, authenticator: Authenticator
) -> AssertionFacts:
    """Prove the possession of an enrolled authenticator (section 7.2).

    User verification is required of biometrics. The signature counter is for the store to compare. Raises Malformed
    for shapes and sizes; ProofRejected with UNKNOWN_CREDENTIAL, USER_HANDLE, WRONG_CEREMONY, WRONG_CHALLENGE,
    WRONG_ORIGIN, CROSS_ORIGIN, WRONG_RP_ID, USER_PRESENCE, USER_VERIFICATION, BACKUP_FLAGS or SIGNATURE.
    """
    credential = parse_credential(response)
    if authenticator.method not in ATTACHMENT or credential.id != authenticator.credential_id:
        raise ProofRejected(Reason.UNKNOWN_CREDENTIAL)
    if credential.response.get("userHandle") not in (None, ""):
        user_handle = parse_bytes(credential.response, "userHandle", MAX_USER_HANDLE_BYTES)
        if user_handle != authenticator.person_id.encode():
            raise ProofRejected(Reason.USER_HANDLE)
    client_data_json = parse_bytes(credential.response, "clientDataJSON", MAX_CLIENT_DATA_BYTES)
    data = parse_bytes(credential.response, "authenticatorData", MAX_AUTHENTICATOR_DATA_BYTES)
    parse_bytes(credential.response, "signature", MAX_SIGNATURE_BYTES)
    verify_client_data(
        client_data_json,
        expected_type="webauthn.get",
        expected_challenge=expected_challenge,
        expected_origin=rp.origin,
    )
    required = authenticator.method is Method.BIOMETRICS
    facts = verify_authenticator_data(data, expected_rp_id=rp.id, user_verification_required=required)
    if facts.attested is not None:
        raise Malformed("authenticatorData", "must hold no credential")
    if facts.backup_eligible != authenticator.backup_eligible:
        raise ProofRejected(Reason.BACKUP_FLAGS, "eligibility differs from the registration's")
    fields = ("clientDataJSON", "authenticatorData", "signature")
    try:
        webauthn.verify_authentication_response(
            credential=_for_library(credential, {name: credential.response[name] for name in fields}),
            expected_challenge=expected_challenge,
            expected_rp_id=rp.id,
            expected_origin=rp.origin,
            credential_public_key=authenticator.public_key,
            credential_current_sign_count=0,
            require_user_verification=required,
        )
    except Exception as error:  # the library lets errors of every kind through for odd bytes
        raise ProofRejected(Reason.SIGNATURE) from error
    return AssertionFacts(facts.sign_count, facts.user_verified, facts.backup_state)


def _user_verification(method: Method) -> UserVerificationRequirement:
    if method is Method.BIOMETRICS:
        return UserVerificationRequirement.REQUIRED
    return UserVerificationRequirement.PREFERRED


def _descriptors(authenticators: Sequence[Authenticator]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=authenticator.credential_id,
            transports=[AuthenticatorTransport(transport) for transport in authenticator.transports] or None,
        )
        for authenticator in authenticators
        if authenticator.credential_id
    ]


def _authenticator_data(attestation_object: bytes) -> bytes:
    """Read the authenticator data; formats whose verification reads the library's own clock are not taken."""
    try:
        attestation = parse_cbor(attestation_object)
        attestation_format, data = AttestationFormat(attestation["fmt"]), attestation["authData"]
    except Exception as error:  # the library lets errors of every kind through for odd bytes
        raise Malformed("attestationObject", "cannot be read") from error
    if not isinstance(data, bytes) or attestation_format is AttestationFormat.ANDROID_SAFETYNET:
        raise Malformed("attestationObject", "cannot be read")
    return data


def _verify_public_key(public_key: bytes) -> None:
    """Prove that a key is one that we asked for, and strong enough (section 7.1, step 19)."""
    try:
        decoded = decode_credential_public_key(public_key)
        key = decoded_public_key_to_cryptography(decoded)
    except Exception as error:  # the library lets errors of every kind through for odd bytes
        raise ProofRejected(Reason.PUBLIC_KEY, "cannot be read") from error
    match decoded.alg, key:
        case COSEAlgorithmIdentifier.ECDSA_SHA_256, EllipticCurvePublicKey(curve=SECP256R1()):
            return
        case COSEAlgorithmIdentifier.EDDSA, Ed25519PublicKey():
            return
        case COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256, RSAPublicKey(key_size=bits) if bits >= MIN_RSA_BITS:
            return
        case _:
            raise ProofRejected(Reason.PUBLIC_KEY, "not of an algorithm and a strength that was asked for")


def _verify_attachment(credential: Credential, transports: tuple[str, ...], expected_method: Method) -> None:
    """Prove that the client names the attachment that was asked for, and transports that go with it."""
    platform = expected_method is Method.BIOMETRICS
    attachment = credential.attachment
    if attachment is None and transports:
        attachment = "platform" if "internal" in transports else "cross-platform"
    contradicted = transports == ("internal",) if not platform else transports and "internal" not in transports
    if attachment != ATTACHMENT[expected_method].value or contradicted:
        raise ProofRejected(Reason.ATTACHMENT)


def _verify_attestation(
    credential: Credential,
    *,
    rp: RelyingParty,
    expected_challenge: bytes,
) -> None:
    """Prove that an attestation statement, where there is one, is sound; not whose it is."""
    fields = {name: credential.response[name] for name in ("clientDataJSON", "attestationObject")}
    try:
        webauthn.verify_registration_response(
            credential=_for_library(credential, fields),
            expected_challenge=expected_challenge,
            expected_rp_id=rp.id,
            expected_origin=rp.origin,
            supported_pub_key_algs=ALGORITHMS,
        )
    except Exception as error:  # the library lets errors of every kind through for odd bytes
        raise ProofRejected(Reason.ATTESTATION) from error


def _for_library(credential: Credential, response: dict[str, object]) -> dict[str, object]:
    credential_id = bytes_to_base64url(credential.id)
    return {"id": credential_id, "rawId": credential_id, "type": "public-key", "response": response}
