"""Logging out at an identity provider (OpenID Connect RP-Initiated Logout 1.0, section 2): the URL that asks for it.

Ends nothing by itself, and remembers nothing: `state` is the caller's.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

MAX_HINT_CHARS = 4096
"""What is longer goes into no URL: the provider then asks the person, as it does without a hint."""


def logout_url(endpoint: str, *, client_id: str, id_token_hint: str, post_logout_redirect_uri: str, state: str) -> str:
    """Give the URL that a browser is sent to; `id_token_hint` may be empty."""
    query = {
        "id_token_hint": id_token_hint if len(id_token_hint) <= MAX_HINT_CHARS else "",
        "client_id": client_id,
        "post_logout_redirect_uri": post_logout_redirect_uri,
        "state": state,
    }
    parts = urlsplit(endpoint)
    given = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in query]
    asked = [(name, value) for name, value in query.items() if value]
    return urlunsplit(parts._replace(query=urlencode([*given, *asked]), fragment=""))
