"""Vendors of authenticators: authorities, attestation certificates, and the metadata that names their roots.

Honest by default; every argument of `attestation` says what to claim instead. The `packed` statements are those of
WebAuthn Level 3, section 8.2.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from secondgate.protocol.metadata import Metadata, parse_metadata
from tests.fakes.authenticator import Key, b64, sign

Attestation = Callable[[bytes, bytes, Key], tuple[str, dict[str, object]]]
FROM, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2045, 1, 1, tzinfo=UTC)
NEXT_UPDATE = "2044-01-01"
SIGNER = "mds.fidoalliance.org"
OID_AAGUID = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")


class Vendor:
    """A vendor with a root of its own, or with an intermediate authority `under` another's."""

    def __init__(self, name: str, under: Vendor | None = None, *, is_ca: bool = True) -> None:
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} Root")])
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        issuer = subject if under is None else under.root.subject
        self.root: x509.Certificate = (
            builder(subject, issuer, self.key.public_key(), until=UNTIL)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key if under is None else under.key, hashes.SHA256())
        )

    def attestation(
        self,
        aaguid: bytes,
        *,
        named: bytes | None = b"",
        is_ca: bool = False,
        until: datetime = UNTIL,
        unit: str = "Authenticator Attestation",
        self_signed: bool = False,
        with_root: bool = False,
    ) -> Attestation:
        """Give what signs a registration with a certificate of this vendor.

        `named` is the AAGUID in the certificate; None leaves the extension out. `with_root` sends the root along.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.root.subject
        unsigned = builder(attestation_subject(self.name, unit), issuer, key.public_key(), until=until)
        unsigned = unsigned.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        if named is not None:
            value = x509.UnrecognizedExtension(OID_AAGUID, b"\x04\x10" + (named or aaguid))
            unsigned = unsigned.add_extension(value, critical=False)
        certificate = unsigned.sign(key if self_signed else self.key, hashes.SHA256())
        path = [certificate, self.root] if with_root else [certificate]

        def attest(data: bytes, client_data: bytes, _: Key) -> tuple[str, dict[str, object]]:
            signature = sign(key, data + hashlib.sha256(client_data).digest())
            return "packed", {"alg": -7, "sig": signature, "x5c": [one.public_bytes(Encoding.DER) for one in path]}

        return attest

    def entry(self, aaguid: bytes, *statuses: str) -> dict[str, object]:
        """Give the metadata entry of one of this vendor's models."""
        text = aaguid.hex()
        return {
            "aaguid": "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])),
            "metadataStatement": {
                "description": f"{self.name} key",
                "attestationRootCertificates": [base64.b64encode(self.root.public_bytes(Encoding.DER)).decode()],
            },
            "statusReports": [{"status": status} for status in statuses or ("FIDO_CERTIFIED",)],
        }

    def signer(
        self, *, name: str = SIGNER, until: datetime = UNTIL
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """Make the key and certificate of a web server, as the one that signs metadata has."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            builder(subject, self.root.subject, key.public_key(), until=until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return key, certificate


def builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
    *,
    until: datetime,
) -> x509.CertificateBuilder:
    """Begin a certificate."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(FROM)
        .not_valid_after(until)
    )


def attestation_subject(vendor: str, unit: str) -> x509.Name:
    """Give the subject that an attestation certificate must have (section 8.2.1)."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, vendor),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{vendor} key"),
        ]
    )


def payload(*entries: dict[str, object], number: int = 1, next_update: str = NEXT_UPDATE) -> dict[str, object]:
    """Give the payload of a metadata BLOB."""
    return {"legalHeader": "", "no": number, "nextUpdate": next_update, "entries": list(entries)}


def metadata(*entries: dict[str, object]) -> Metadata:
    """Give metadata of these entries."""
    return parse_metadata(payload(*entries))


def blob(
    content: dict[str, object],
    signed_by: tuple[ec.EllipticCurvePrivateKey, x509.Certificate],
    *,
    algorithm: str = "ES256",
) -> bytes:
    """Sign a payload as the Metadata Service does (a JWT with its certificate in `x5c`)."""
    key, certificate = signed_by
    der = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    header = {"alg": algorithm, "typ": "JWT", "x5c": [der]}
    message = ".".join(b64(json.dumps(part).encode()) for part in (header, content)).encode()
    return message + b"." + b64(raw_signature(sign(key, message))).encode()


def raw_signature(der: bytes) -> bytes:
    """Give an ECDSA signature as JWTs have it (RFC 7518, section 3.4)."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
