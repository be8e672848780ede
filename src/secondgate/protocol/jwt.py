"""Our own tokens: signed by us, verified by us (JWT, RFC 7519; JWK, RFC 7517; best practices, RFC 8725).

One kind never passes for another: each has its own `typ`, its required claims and its longest life. The
algorithm belongs to the key and is never read from a token. What a token opens is not decided here: a
session must still be live in its store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from secondgate.errors import Reason, TokenRejected
from secondgate.model.keys import SigningAlgorithm, SigningKey
from secondgate.model.secret import Secret
from secondgate.protocol.duration import MAX_DURATION_S
from secondgate.protocol.jws import base64url_bytes, parse_token, verify_times

RSA_BITS = 2048
KID_BYTES = 16
SERIAL_BYTES = 16
CERTIFICATE_DAYS = 3650
MAX_COMMON_NAME_CHARS = 64
LOGIN_REQUEST_LIFE_S = 600
EVALUATION_LIFE_S = 60
SPREAD_S = 15
"""How long a new key is published, in seconds, before it signs: every replica has read it by then."""
_JWS = jwt.PyJWS()

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey


class TokenKind(StrEnum):
    """What a token is for."""

    SESSION = "session"
    ASSERTION = "assertion"
    LOGIN_REQUEST = "login_request"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True)
class KindRules:
    """What a kind requires: its `typ`, claims besides `iss`, `aud`, `iat` and `exp`, and its longest life."""

    typ: str
    required: tuple[str, ...]
    max_life_s: int


RULES: Mapping[TokenKind, KindRules] = {
    TokenKind.SESSION: KindRules("secondgate-session+jwt", ("sid",), MAX_DURATION_S),
    TokenKind.ASSERTION: KindRules("JWT", ("sub",), MAX_DURATION_S),
    TokenKind.LOGIN_REQUEST: KindRules("secondgate-login+jwt", ("jti",), LOGIN_REQUEST_LIFE_S),
    TokenKind.EVALUATION: KindRules("secondgate-evaluation+jwt", ("sub", "nonce"), EVALUATION_LIFE_S),
}


def new_signing_key(
    algorithm: SigningAlgorithm, *, now: int, name: str, random_bytes: Callable[[int], bytes]
) -> SigningKey:
    """Make a signing key with a self-signed certificate that names `name` and is valid for ten years.

    `random_bytes` gives the key's id and the certificate's serial number; the key itself comes from the library.
    """
    private_key: PrivateKey
    if algorithm is SigningAlgorithm.ES256:
        private_key = generate_private_key(SECP256R1())
    else:
        private_key = generate_rsa_key(public_exponent=65537, key_size=RSA_BITS)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:MAX_COMMON_NAME_CHARS])])
    begin = datetime.fromtimestamp(now, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private_key.public_key())
        # RFC 5280, section 4.1.2.2: positive, at most 20 octets
        .serial_number(int.from_bytes(random_bytes(SERIAL_BYTES), "big") + 1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=CERTIFICATE_DAYS))
        .sign(private_key, hashes.SHA256())
    )
    return SigningKey(
        kid=random_bytes(KID_BYTES).hex(),
        algorithm=algorithm,
        private_key=Secret(private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())),
        certificate=certificate.public_bytes(Encoding.PEM).decode("ascii"),
        created_at=now,
    )


class KeyRing:
    """The signing keys, the newest first: signs with the newest that every replica knows, verifies with any."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        """Take these keys; raises as `replace`."""
        self.replace(keys)

    def replace(self, keys: Sequence[SigningKey]) -> None:
        """Load every private key, once, and work with these keys from now on.

        Raises ValueError for no key, a repeated id and a key unfit for its algorithm; nothing is changed then.
        """
        known = {key.kid: key for key in keys}
        if not keys or len(known) != len(keys):
            raise ValueError("a key ring needs at least one key, and each of them once")
        private = {key.kid: _load(key) for key in keys}
        self._keys, self._kids, self._private = known, tuple(known), private
        self._public = {kid: one.public_key() for kid, one in private.items()}

    @property
    def kids(self) -> tuple[str, ...]:
        """The ids of the keys, the newest first: the same object until they are replaced."""
        return self._kids

    def sign(self, kind: TokenKind, claims: Mapping[str, object]) -> str:
        """Sign claims with the newest key that was made SPREAD_S before `iat`; without one, with the oldest.

        Other replicas know a new key when they look next: what it signed before that would be refused there.

        Raises ValueError for claims that `verify` would refuse: a required one missing, a life too long, and for a
        token over 16 KiB.
        """
        key = self._signing_key(claims.get("iat"))
        token = jwt.encode(
            dict(claims),
            self._private[key.kid],
            algorithm=key.algorithm.value,
            headers={"typ": RULES[kind].typ, "kid": key.kid},
        )
        try:
            written = parse_token(token).claims
            _parse_audiences(RULES[kind], written)
            issued_at = written.get("iat")
            verify_times(
                written,
                max_life_s=RULES[kind].max_life_s,
                now=issued_at if isinstance(issued_at, int) else key.created_at,
            )
        except TokenRejected as error:
            raise ValueError(f"a token of kind {kind} cannot say this: {error}") from error
        return token

    def verify(self, kind: TokenKind, token: str, *, issuer: str, audience: str, now: int) -> dict[str, object]:
        """Prove that a token is ours, of this kind, for this audience and of now, and give its claims.

        `now` is Unix seconds; `exp` is exclusive. Raises TokenRejected: TOKEN_SIZE over 16 KiB, TOKEN_HEADER for
        form, `typ`, `alg` and any parameter we do not write, TOKEN_KEY for a key that is not ours,
        TOKEN_SIGNATURE, TOKEN_CLAIMS, TOKEN_EXPIRED.
        """
        rules = RULES[kind]
        parsed = parse_token(token)
        kid = parsed.header.get("kid")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise TokenRejected(Reason.TOKEN_KEY, "no key of ours")
        if parsed.header != {"alg": key.algorithm.value, "kid": key.kid, "typ": rules.typ}:
            raise TokenRejected(Reason.TOKEN_HEADER, f"not the header of a token of kind {kind}")
        # The form was proved by `parse_token`; the library's `decode` would look at each character once more.
        signed, _, signature = token.rpartition(".")
        algorithm = _JWS.get_algorithm_by_name(key.algorithm.value)
        if not algorithm.verify(signed.encode("ascii"), self._public[key.kid], base64url_bytes(signature)):
            raise TokenRejected(Reason.TOKEN_SIGNATURE)
        claims = parsed.claims
        audiences = _parse_audiences(rules, claims)
        if claims["iss"] != issuer or audience not in audiences:
            raise TokenRejected(Reason.TOKEN_CLAIMS, "of another issuer or for another audience")
        verify_times(claims, max_life_s=rules.max_life_s, now=now)
        return claims

    def jwks(self) -> dict[str, object]:
        """Give the public keys as a JWK set (RFC 7517, section 5)."""
        return {"keys": [self._jwk(key) for key in self._keys.values()]}

    def certificates(self) -> list[dict[str, str]]:
        """Give the certificates in PEM with their keys' ids."""
        return [{"kid": key.kid, "cert": key.certificate} for key in self._keys.values()]

    def _signing_key(self, at: object) -> SigningKey:
        keys = tuple(self._keys.values())
        known = (key for key in keys if isinstance(at, int) and key.created_at + SPREAD_S <= at)
        return next(known, keys[-1])

    def _jwk(self, key: SigningKey) -> dict[str, object]:
        private = self._private[key.kid]
        jwk: dict[str, object]
        if isinstance(private, EllipticCurvePrivateKey):
            jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        else:
            jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        jwk.pop("key_ops", None)  # RFC 7517, section 4.3: not beside `use`
        return {**jwk, "kid": key.kid, "alg": key.algorithm.value, "use": "sig"}


def _load(key: SigningKey) -> PrivateKey:
    private = load_der_private_key(key.private_key.reveal(), password=None)
    if key.algorithm is SigningAlgorithm.ES256:
        if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1):
            return private
    elif isinstance(private, RSAPrivateKey) and private.key_size >= RSA_BITS:
        return private
    raise ValueError(f"the key {key.kid} is not fit for {key.algorithm}")


def _parse_audiences(rules: KindRules, claims: dict[str, object]) -> list[object]:
    """Give the audiences of claims in which `iss`, `aud` and what the kind requires are texts."""
    audiences = claims.get("aud")
    if not isinstance(audiences, list):
        audiences = [audiences]
    texts = (claims.get("iss"), *audiences, *(claims.get(name) for name in rules.required))
    if not audiences or not all(isinstance(text, str) for text in texts):
        raise TokenRejected(Reason.TOKEN_CLAIMS, f"iss, aud, {', '.join(rules.required)} must be texts")
    return audiences
