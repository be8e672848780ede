"""What the gate knows of machines: their service tokens as they were read last, and the assertions about them.

Both are in memory, so that a machine's request costs neither a read nor a signature. Whether a machine may pass is
decided by the policies, in `model.decision`.
"""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from secondgate.errors import Unavailable
from secondgate.model.application import Application
from secondgate.model.service_token import ServiceToken
from secondgate.protocol.jwt import KeyRing, TokenKind
from secondgate.protocol.opaque_token import token_hash
from secondgate.protocol.service_token import PresentedServiceToken

MAX_AGE_S = 60.0
ASSERTION_LIFE_S = 300
MAX_ASSERTIONS = 1024
_NOBODYS_HASH = "0" * 64


class KnownServiceTokens:
    """The service tokens that were stored when somebody looked last; None: nobody looked yet.

    `monotonic` gives seconds that no change of the clock moves. A token revoked during an outage must not live on
    through it: what was read more than MAX_AGE_S ago says nothing any more.
    """

    def __init__(
        self, tokens: Iterable[ServiceToken] | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._read_at: float | None = None
        self._by_client_id: dict[str, ServiceToken] = {}
        self._seen: dict[str, int] = {}
        if tokens is not None:
            self.replace(tokens)

    def replace(self, tokens: Iterable[ServiceToken]) -> None:
        """Know these from now on, which were read just now."""
        self._by_client_id = {token.client_id: token for token in tokens}
        self._read_at = self._monotonic()

    @property
    def references(self) -> frozenset[str]:
        """The names and ids by which rules can mean a token."""
        return frozenset(text for token in self._by_client_id.values() for text in (token.id, token.name))

    def find(self, presented: PresentedServiceToken, *, now: int) -> ServiceToken | None:
        """Give the token that was proved; None for a wrong or missing secret, an unknown id, an expired token.

        An unknown id costs the same comparison as a known one. `now` is Unix seconds. Raises Unavailable when nobody
        could look for too long.
        """
        if self._read_at is None or self._monotonic() - self._read_at > MAX_AGE_S:
            raise Unavailable("the service tokens could not be read for too long")
        token = self._by_client_id.get(presented.client_id)
        presented_hash = token_hash(presented.secret.reveal()).encode()
        expected_hashes = token.secret_hashes_at(now) if token else (_NOBODYS_HASH,)
        is_right = any(hmac.compare_digest(presented_hash, expected.encode()) for expected in expected_hashes)
        if token is None or not is_right or not token.is_valid_at(now):
            return None
        self._seen[token.id] = now
        return token

    def take_seen(self) -> dict[str, int]:
        """Give when tokens, by their ids, proved a machine last since this was asked, in Unix seconds."""
        seen, self._seen = self._seen, {}
        return seen


class MachineAssertions:
    """Signed assertions that are used again while half of their life is left; the least used ones are forgotten."""

    def __init__(self) -> None:
        self._signed: OrderedDict[tuple[str, str, str], tuple[int, int, str]] = OrderedDict()

    def assertion(self, token: ServiceToken, application: Application, *, keys: KeyRing, issuer: str, now: int) -> str:
        """Give the application's proof of which machine it is, as Cloudflare words it: `common_name`, no `sub`.

        It lives five minutes, and never longer than the token, which must be valid at `now`, Unix seconds.
        """
        key = (token.id, application.id, keys.kids[0])
        if key in self._signed:
            issued_at, expires_at, text = self._signed[key]
            if issued_at <= now and 2 * (expires_at - now) >= expires_at - issued_at:
                self._signed.move_to_end(key)
                return text
        expires_at = now + ASSERTION_LIFE_S
        if token.expires_at is not None:
            expires_at = min(expires_at, token.expires_at)
        claims: dict[str, object] = {
            "iss": issuer,
            "aud": [application.aud],
            "sub": "",
            "common_name": token.client_id,
            "iat": now,
            "nbf": now,
            "exp": expires_at,
            "type": "app",
        }
        text = keys.sign(TokenKind.ASSERTION, claims)
        self._signed[key] = (now, expires_at, text)
        self._signed.move_to_end(key)
        if len(self._signed) > MAX_ASSERTIONS:
            self._signed.popitem(last=False)
        return text
