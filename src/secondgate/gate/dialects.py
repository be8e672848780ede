"""How each proxy asks, and how it wants to be told to send somebody to log in.

A dialect is its reading of the original request and a few facts; everything else is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from secondgate.protocol.forwarded import (
    HeaderMap,
    OriginalRequest,
    from_auth_request,
    from_ext_authz,
    from_forward_auth,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a proxy sent. `method` and `target` are those of the request line, byte for byte.

    `portal_scheme` is `http` or `https`: that of the portal, and so of the applications beside it.
    """

    headers: HeaderMap
    method: str
    target: str
    portal_scheme: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way of asking.

    `takes_target`: what follows the path is the original target. `redirects`: the proxy passes our redirect on;
    otherwise it makes one of a 401 with a `Location`. `returns_cookie`: on 200 the answer's `Cookie` replaces the
    client's, without ours in it; `no_cookie` are the fields that stand for one when none is left.
    """

    name: str
    path: str
    parse: Callable[[Asked], OriginalRequest]
    redirects: bool
    returns_cookie: bool
    takes_target: bool = False
    no_cookie: tuple[tuple[str, str], ...] = ()

    @property
    def route(self) -> str:
        """The path as a router's pattern. With a target, whatever follows comes here, to be refused if it is none."""
        return self.path + ("{target:(?s:.*)}" if self.takes_target else "")


AUTH_REQUEST = Dialect(
    name="auth-request",
    path="/verify/auth-request",
    parse=lambda asked: from_auth_request(asked.headers),
    redirects=False,
    returns_cookie=False,
)
FORWARD_AUTH = Dialect(
    name="forward-auth",
    path="/verify/forward-auth",
    parse=lambda asked: from_forward_auth(asked.headers),
    redirects=True,
    returns_cookie=True,
)
EXT_AUTHZ_PATH = "/verify/ext-authz"
EXT_AUTHZ = Dialect(
    name="ext-authz",
    path=EXT_AUTHZ_PATH,
    parse=lambda asked: from_ext_authz(
        asked.headers,
        method=asked.method,
        target=asked.target,
        prefix=EXT_AUTHZ_PATH,
        portal_scheme=asked.portal_scheme,
    ),
    redirects=True,
    returns_cookie=True,
    takes_target=True,
    no_cookie=(("Cookie", ""), ("X-Envoy-Auth-Headers-To-Remove", "cookie")),
)
"""Envoy and the Gateway API: the question is the request itself, its path behind the prefix.

Envoy puts each field of the answer that it lists (`allowed_upstream_headers`) in place of the client's, an empty one
too, and leaves the client's in place where the answer has none: so a client without cookies of its own would show ours
to the application. Therefore `Cookie` is sent always. An empty one, which caches take for a cookie, is taken away
again: Envoy removes what `X-Envoy-Auth-Headers-To-Remove` names, after it has set the others, listed or not.
"""
DIALECTS = (AUTH_REQUEST, FORWARD_AUTH, EXT_AUTHZ)
