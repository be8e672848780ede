"""Answers a question out of memory, before aiohttp reads it: hits, what everybody may open, and who is nobody.

For every question that is answered here the slow path would have sent the same bytes; a property test holds that. What
is not understood completely, or not known, takes the slow path. Reads no store, proves no signature, writes no log
line. What lets somebody through was made by `server.answer`, as all that does.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import IPv4Address
from itertools import count

from secondgate.errors import Malformed, Reason
from secondgate.gate.answers import Ending, answer, fields_of_cookies, written
from secondgate.gate.context import CHECKS, Gate
from secondgate.gate.decisions import Decisions
from secondgate.gate.dialects import DIALECTS, Dialect
from secondgate.gate.request_head import Head, HeadReader, forwarded_for, navigation_fields
from secondgate.gate.verify import Question, Verdict, verify_nobody
from secondgate.model.access import Access
from secondgate.model.application import AmbiguousPathError, Application
from secondgate.model.decision import Allow, SignIn, looks_at_address
from secondgate.model.policy import Address
from secondgate.protocol.cookie import application_cookie_name
from secondgate.protocol.forwarded import OriginalRequest, client_address, parse_authority
from secondgate.proxied import SECRET_HEADER, Arrival

NOWHERE = IPv4Address("0.0.0.0")  # noqa: S104 - where no rule looks at the address
MAX_AUTHORITIES = 10_000
"""How many spellings of hosts are remembered: each with and without a port, in any case."""

DIGEST_BYTES = 32
"""What stands in a key for the fields in which a proxy names somebody: as long as a head they may be."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of an application while the settings stay; `key` begins the keys of its answers.

    `of_nobody` is the verdict on somebody unknown, where it is the same wherever the request comes from; `head` is the
    answer's where that lets everybody through.
    """

    application: Application
    key: bytes
    looks_at_address: bool
    of_nobody: Verdict | None
    head: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """A spelling of a host. `plan` is the application of all its paths; None: the path decides.

    `key` is the host's part of the keys of its answers: an application may have several, and a session is of one.
    """

    host: str
    key: bytes
    port: int | None
    plan: Plan | None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question that was understood and not answered: where the slow path's answer may be kept.

    The answer must be about `token` and `application`, for `address` where a rule looks at it; `epoch` is the cache's
    when it was asked, at `at` (Unix seconds).
    """

    key: bytes
    token: str
    application: Application
    address: Address | None
    epoch: int
    at: float


@dataclass(slots=True)
class _Lane:
    """A dialect, and how many of its questions were answered here since they were counted last, by outcome."""

    dialect: Dialect
    reader: HeadReader
    allow: int = 0
    signin: int = 0


class FastPath:
    """One process's fast path, in front of `gate`."""

    def __init__(self, gate: Gate, decisions: Decisions) -> None:
        trust = gate.trust
        self.gate = gate
        self.decisions = decisions
        self._clock = gate.services.clock
        self._cookie = application_cookie_name(secure=gate.secure).encode()
        self._jwt_cookies = tuple(source.cookie.encode() for source in trust.jwt_sources if source.cookie)
        self._secret = None if trust.secret is None else trust.secret.reveal().encode()
        identity = [
            name
            for one in trust.identity_headers
            for name in (one.email, one.name, one.groups, one.amr, one.auth_time)
            if name
        ]
        self._lanes = tuple(
            _Lane(
                dialect,
                HeadReader(
                    dialect,
                    secret_header=SECRET_HEADER if self._secret is not None else "",
                    identity_headers=identity,
                    refused=[source.header for source in trust.jwt_sources if source.header],
                ),
            )
            for dialect in DIALECTS
        )
        self._has_identity = bool(identity)
        self._ending = Ending()
        self._access: Access | None = None
        self._kids: tuple[str, ...] = ()
        self._numbers = count()
        self._keys: dict[str, bytes] = {}
        self._plans: dict[str, Plan] = {}
        self._routes: dict[bytes, Route] = {}

    def find(self, data: bytes, peer: Address) -> bytes | Unanswered | None:
        """Give the answer's bytes; where the answer may be kept, of a question that is not known; else None.

        `data` is what arrived from a trusted proxy at `peer`, on a connection on which nothing else is under way.
        """
        access = self.gate.services.access()
        kids = self.gate.services.keys.kids
        if access is not self._access or kids is not self._kids:
            self._take(access, kids)
        for lane in self._lanes:
            head = lane.reader.read(data)
            if head is not None:
                return self._answer(lane, head, data, peer, access)
        return None

    def _answer(self, lane: _Lane, head: Head, data: bytes, peer: Address, access: Access) -> bytes | Unanswered | None:
        method, authority, target, cookie, secret = head
        if self._secret is not None and not hmac.compare_digest(secret, self._secret):
            return None
        route = self._routes.get(authority) or self._learn(authority)
        if route is None:
            return None
        plan = route.plan or self._plan_of_path(access, route.host, target)
        token = self._token(cookie)
        if plan is None or token is None:
            return None
        named = lane.reader.identity_of(data) if self._has_identity else b""
        now = self._clock()
        if token and not plan.head:
            return self._hit(lane, route, plan, token, cookie, named, data, peer, now)
        if named:
            return None
        if plan.head:
            return self._allowed(lane, plan.head, cookie, now)
        return self._of_nobody(lane, plan, _original(method, route, target), data, peer)

    def _hit(  # noqa: PLR0917 - by position: this is done at every request
        self,
        lane: _Lane,
        route: Route,
        plan: Plan,
        token: bytes,
        cookie: bytes,
        named: bytes,
        data: bytes,
        peer: Address,
        now: float,
    ) -> bytes | Unanswered | None:
        """Give what was said of a session before. Its key holds all that was looked at then."""
        key, address = b"%b%b\0%b" % (plan.key, route.key, token), None
        if plan.looks_at_address:
            address = self._client(data, peer)
            key = b"%b\0%b" % (key, str(address).encode())
        if named:
            key = b"%b\0%b" % (key, blake2b(named, digest_size=DIGEST_BYTES).digest())
        known = self.decisions.find(key, now)
        if known is not None:
            return self._allowed(lane, known.head, cookie, now)
        return Unanswered(key, token.decode("latin-1"), plan.application, address, self.decisions.epoch, now)

    def count(self) -> None:
        """Add what was answered here to the metrics: often enough, and before they are told."""
        for lane in self._lanes:
            for outcome in ("allow", "signin"):
                if number := getattr(lane, outcome):
                    CHECKS.labels(lane.dialect.name, outcome).inc(number)
                    setattr(lane, outcome, 0)

    def _allowed(self, lane: _Lane, head: bytes, cookie: bytes, now: float) -> bytes | None:
        """Write an answer that lets somebody through, with the cookies that the application may see."""
        ending = self._ending.at(now)
        if lane.dialect.returns_cookie:
            if not cookie.isascii():
                return None
            head += written(fields_of_cookies(lane.dialect, cookie.decode()))
        lane.allow += 1
        return head + ending

    def _of_nobody(
        self, lane: _Lane, plan: Plan, original: OriginalRequest, data: bytes, peer: Address
    ) -> bytes | None:
        """Send somebody unknown to log in; everything else about nobody takes the slow path."""
        gate = self.gate
        client = self._client(data, peer) if plan.looks_at_address else peer
        question = Question(original=original, token=None, address=client)
        verdict = plan.of_nobody or verify_nobody(gate.services, question, plan.application)
        match verdict.decision:
            case SignIn(Reason.NO_SESSION, is_machine=False):
                arrival = Arrival(navigation_fields(data), client, None, "", gate.trust)
                said = answer(gate, lane.dialect, arrival, original, verdict)
                lane.signin += 1
                return said.head() + Ending(length=len(said.body)).at(self._clock()) + said.body
            case _:
                return None

    def _token(self, cookie: bytes) -> bytes | None:
        """Give our cookie's value out of the field, empty where it has none; None where that may be read in two ways.

        What the slow path would read otherwise is never kept under what is read here.
        """
        name = self._cookie
        if any(jwt in cookie for jwt in self._jwt_cookies):
            return None
        start = cookie.find(name)
        if start < 0:
            return b""
        end = start + len(name)
        begins = start == 0 or cookie[max(0, start - 2) : start] == b"; " or cookie[start - 1 : start] == b";"
        if not begins or cookie[end : end + 1] != b"=" or cookie.find(name, end) >= 0:
            return None
        stop = cookie.find(b";", end)
        return cookie[end + 1 : stop if stop >= 0 else len(cookie)] or None

    def _client(self, data: bytes, peer: Address) -> Address:
        return client_address(peer, forwarded_for(data), self.gate.trust.networks)

    def _take(self, access: Access, kids: tuple[str, ...]) -> None:
        """Work with other settings or signing keys from now on: nothing that they would decide otherwise counts.

        An application that is as it was keeps its answers; those of another one have keys that nobody asks for again.
        """
        before = self._access
        if before is not None and kids is self._kids and _has_same_rules(before, access):
            self._keys = {id_: key for id_, key in self._keys.items() if before.by_id[id_] == access.by_id.get(id_)}
        else:
            self._keys = {}
            self.decisions.clear()
        self._access, self._kids = access, kids
        self._plans, self._routes = {}, {}

    def _learn(self, authority: bytes) -> Route | None:
        """Find out what a spelling of a host means; None where nothing is protected there."""
        access = self.gate.services.access()
        try:
            host, port = parse_authority(authority.decode())
            applications = access.index.at_host(host)
        except Malformed:
            return None
        if not applications:
            return None
        if len(self._routes) >= MAX_AUTHORITIES:
            self._routes.clear()
        everywhere = access.index.of_every_path(host)
        plan = self._plan(access, everywhere) if everywhere else None
        route = self._routes[authority] = Route(host, host.encode(), port, plan)
        return route

    def _plan_of_path(self, access: Access, host: str, target: bytes) -> Plan | None:
        path = target.partition(b"?")[0].decode()
        try:
            application = access.index.find(host, path)
        except AmbiguousPathError:
            return None
        return None if application is None else self._plan(access, application)

    def _plan(self, access: Access, application: Application) -> Plan:
        plan = self._plans.get(application.id)
        if plan is None:
            key = self._keys.get(application.id) or next(self._numbers).to_bytes(8, "big")
            self._keys[application.id] = key
            plan = self._plans[application.id] = self._new_plan(access, application, key)
        return plan

    def _new_plan(self, access: Access, application: Application, key: bytes) -> Plan:
        if looks_at_address(access.rulebook, application):
            return Plan(application, key, looks_at_address=True, of_nobody=None, head=b"")
        original = OriginalRequest("GET", "https", "", "/", "")
        question = Question(original=original, token=None, address=NOWHERE)
        verdict = verify_nobody(self.gate.services, question, application)
        head = b""
        if isinstance(verdict.decision, Allow):
            arrival = Arrival((), NOWHERE, None, "", self.gate.trust)
            head = answer(self.gate, DIALECTS[0], arrival, original, verdict).head()
        return Plan(application, key, looks_at_address=False, of_nobody=verdict, head=head)


def _has_same_rules(one: Access, other: Access) -> bool:
    """Whether all that decides about every application is the same in both."""
    return one.rulebook == other.rulebook and one.identity_providers == other.identity_providers


def _original(method: bytes, route: Route, target: bytes) -> OriginalRequest:
    path, _, query = target.decode().partition("?")
    return OriginalRequest(method.decode(), "https", route.host, path, query, route.port)
