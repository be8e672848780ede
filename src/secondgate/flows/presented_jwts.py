"""Identity from signed tokens of other login systems, proven at most once in five seconds each.

A token that proves nothing is never an error: it is no identity, and one line in the log for each issuer and reason in
a while. Keys that cannot be had are an outage, and only of requests that bring a token of that issuer.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from secondgate.errors import TokenRejected, Unavailable
from secondgate.flows.key_set import Keys, KeySet
from secondgate.flows.provider_documents import HTTP_OK, MAX_AGE_S
from secondgate.flows.remembered import Remembered
from secondgate.model.application import Application
from secondgate.model.decision import Allow, Refuse, SignIn
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.presented_jwt import JwtSource
from secondgate.model.session import Login
from secondgate.protocol.jwks import MAX_JWKS_BYTES, parse_jwks
from secondgate.protocol.jws import parse_token
from secondgate.protocol.presented_jwt import JwtFacts, PresentedJwt, verify_issuer, verify_presented_jwt
from secondgate.store.ports import Outgoing

log = structlog.get_logger("secondgate.flows")

REMEMBERED_S = 5.0
MAX_REMEMBERED = 10_000
MAX_PERSONS_REMEMBERED = 100_000
FILE_LOOKED_AT_EVERY_S = 60
LOG_INTERVAL_S = 10.0


@dataclass(frozen=True, slots=True)
class ProvenJwt:
    """What a token proved. `id` is a hash that names it and its source; times are Unix seconds."""

    id: bytes
    identity: Identity
    issued_at: int
    expires_at: int


class PresentedJwts:
    """All sources; `logins`, `person_ids` and `assertions` are what `jwt_login` remembers of proven tokens.

    `clock` gives Unix seconds. `outgoing` is needed where keys stand at a URL.
    """

    def __init__(
        self, sources: Sequence[JwtSource] = (), outgoing: Outgoing | None = None, *, clock: Callable[[], float]
    ) -> None:
        self.sources = tuple(sources)
        self._clock = clock
        self._keys = {source: KeySet(source.issuer, *_reader(source, outgoing), clock=clock) for source in self.sources}
        self._proven: Remembered[bytes, ProvenJwt | None] = Remembered(
            max_entries=MAX_REMEMBERED, max_age_s=REMEMBERED_S, clock=clock
        )
        self._logged: Remembered[tuple[str, str], None] = Remembered(
            max_entries=MAX_REMEMBERED, max_age_s=LOG_INTERVAL_S, clock=clock
        )
        self.logins: Remembered[bytes, Login | SignIn | Refuse] = Remembered(
            max_entries=MAX_REMEMBERED, max_age_s=REMEMBERED_S, clock=clock
        )
        self.person_ids: Remembered[bytes, str] = Remembered(
            max_entries=MAX_PERSONS_REMEMBERED, max_age_s=float("inf"), clock=clock
        )
        self.assertions: Remembered[tuple[bytes, str], tuple[Application, Allow, str]] = Remembered(
            max_entries=MAX_REMEMBERED, max_age_s=REMEMBERED_S, clock=clock
        )

    async def prove(self, presented: Sequence[PresentedJwt]) -> ProvenJwt | None:
        """Give what the first of the tokens that proves something proves.

        Raises Unavailable when none does, and one might if its keys could be had.
        """
        outage: Unavailable | None = None
        for one in presented:
            try:
                proven = await self._prove(one)
            except Unavailable as error:
                outage = error
            else:
                if proven is not None:
                    return proven
        if outage is not None:
            raise outage
        return None

    def renew_keys(self) -> None:
        """Begin to read the keys of all sources, as at start and when the configuration is read again."""
        for keys in self._keys.values():
            keys.renew()

    async def close(self) -> None:
        """Stop reading keys."""
        await asyncio.gather(*(keys.close() for keys in self._keys.values()))

    async def _prove(self, presented: PresentedJwt) -> ProvenJwt | None:
        token = presented.token.encode("utf-8", "surrogatepass")
        number = self.sources.index(presented.source)
        token_id = hashlib.sha256(b"%d:%b" % (number, token)).digest()
        found = self._proven.get(token_id)
        proven = await self._verify(presented, token_id) if found is None else found.value
        return proven if proven is not None and proven.expires_at > int(self._clock()) else None

    async def _verify(self, presented: PresentedJwt, token_id: bytes) -> ProvenJwt | None:
        """Prove a token and remember what came of it. Raises Unavailable, of which nothing is remembered."""
        source = presented.source
        proven = None
        try:
            unverified = parse_token(presented.token)
            verify_issuer(unverified, source.issuer)  # first, so that nobody is asked for keys in vain
            keys = await self._keys[source].load_for(unverified)
            if (found := self._proven.get(token_id)) is not None:
                return found.value  # another request proved it while the keys were waited for
            facts = verify_presented_jwt(presented.token, keys=keys, source=source, now=int(self._clock()))
            proven = ProvenJwt(token_id, _identity(source, facts), facts.issued_at, facts.expires_at)
        except TokenRejected as error:
            self._log_refusal(source, error)
        return self._proven.put(token_id, proven)

    def _log_refusal(self, source: JwtSource, error: TokenRejected) -> None:
        kind = (source.issuer, str(error))
        if self._logged.get(kind) is None:
            self._logged.put(kind, None)
            log.warning("jwt.refused", issuer=source.issuer, reason=error.reason, detail=error.detail)


def _identity(source: JwtSource, facts: JwtFacts) -> Identity:
    return Identity(
        email=facts.email,
        name=facts.name,
        groups=facts.groups,
        amr=facts.amr,
        auth_time=facts.auth_time,
        source=IdentitySource.JWT,
        subject=facts.subject,
        issuer=source.issuer,
    )


def _reader(source: JwtSource, outgoing: Outgoing | None) -> tuple[Callable[[], Awaitable[Keys]], int]:
    """Give what reads the keys of a source, and how old they may be."""
    if source.jwks_file is not None:
        return _KeyFile(source.jwks_file).read, FILE_LOOKED_AT_EVERY_S
    if outgoing is None:
        raise ValueError("keys at a URL need a way to ask for them")

    async def fetch() -> Keys:
        answer = await outgoing.get(source.jwks_url, configured_urls=(source.jwks_url,))
        if answer.status != HTTP_OK:
            raise Unavailable(f"{source.jwks_url} answered {answer.status}")
        return parse_jwks(answer.body)

    return fetch, MAX_AGE_S


class _KeyFile:
    """A file with keys, read again when it was changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed_at_ns = -1
        self._keys: Keys = ()

    async def read(self) -> Keys:
        """Give the keys. Raises Unavailable, Malformed."""
        try:
            return await asyncio.to_thread(self._read)
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be read: {error.strerror}") from None

    def _read(self) -> Keys:
        changed_at_ns = self._path.stat().st_mtime_ns
        if changed_at_ns != self._changed_at_ns:
            with self._path.open("rb") as opened:
                self._keys = parse_jwks(opened.read(MAX_JWKS_BYTES + 1))
            self._changed_at_ns = changed_at_ns
        return self._keys
