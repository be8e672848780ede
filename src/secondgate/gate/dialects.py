"""How each proxy asks, and how it wants to be told to send somebody to log in.

A dialect is its reading of the original request and a few facts; everything else is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from secondgate.protocol.forwarded import HeaderMap, OriginalRequest, from_auth_request, from_forward_auth


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way of asking.

    `redirects`: the proxy passes our redirect on; otherwise it makes one of a 401 with a `Location`.
    `returns_cookie`: on 200 the answer's `Cookie` replaces the client's, without ours in it.
    """

    name: str
    path: str
    parse: Callable[[HeaderMap], OriginalRequest]
    redirects: bool
    returns_cookie: bool


AUTH_REQUEST = Dialect("auth-request", "/verify/auth-request", from_auth_request, redirects=False, returns_cookie=False)
FORWARD_AUTH = Dialect("forward-auth", "/verify/forward-auth", from_forward_auth, redirects=True, returns_cookie=True)
DIALECTS = (AUTH_REQUEST, FORWARD_AUTH)
