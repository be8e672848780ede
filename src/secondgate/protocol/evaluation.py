"""Answers of external evaluations: signed tokens that say yes or no to the question that they name.

The exchange is Cloudflare Access's, so that services written for it work here: we send `{"token": …}`, a token of
ours with the person's `identity` and a `nonce`; the answer is `{"token": …}` with `success` and the same `nonce`,
signed with a key of `keys_url`. Whom an answer lets in is decided by policies.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from secondgate.errors import Malformed, Reason, TokenRejected
from secondgate.protocol.jwks import VerificationKey, verify_signature
from secondgate.protocol.jws import parse_json_object, verify_times

MAX_LIFE_S = 3600


def parse_evaluation_response(body: bytes) -> str:
    """Give the token of an answer. Raises Malformed."""
    try:
        token = parse_json_object(body).get("token")
    except ValueError as error:
        raise Malformed("evaluation", f"must be a JSON object: {error}") from None
    if not isinstance(token, str):
        raise Malformed("evaluation", "must have a token")
    return token


def verify_evaluation(token: str, *, keys: Sequence[VerificationKey], expected_nonce: str, now: int) -> bool:
    """Prove an answer of now to this very question, and give it: only `true` is a yes.

    `now` is Unix seconds. Raises TokenRejected: as `verify_signature`; TOKEN_HEADER for a `typ` of another kind,
    TOKEN_CLAIMS for another nonce, a `success` that is neither true nor false and a life over an hour, TOKEN_EXPIRED.
    """
    parsed, _ = verify_signature(keys, token)
    if str(parsed.header.get("typ", "JWT")).upper() != "JWT":
        raise TokenRejected(Reason.TOKEN_HEADER, "a token of another kind")
    verify_times(parsed.claims, max_life_s=MAX_LIFE_S, now=now)
    nonce, success = parsed.claims.get("nonce"), parsed.claims.get("success")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode("utf-8", "replace"), expected_nonce.encode()):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "nonce is not the one of this question")
    if not isinstance(success, bool):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "success must be true or false")
    return success
