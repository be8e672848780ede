"""The URL that asks a provider to log somebody out (RP-Initiated Logout 1.0, section 2)."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from secondgate.protocol.end_session import MAX_HINT_CHARS, logout_url


def asked(endpoint: str = "https://idp.example/end", hint: str = "a.b.c") -> tuple[str, dict[str, list[str]]]:
    url = logout_url(
        endpoint,
        client_id="client & co",
        id_token_hint=hint,
        post_logout_redirect_uri="https://mfa.example.com/logout/callback",
        state="s",
    )
    return url.partition("?")[0], parse_qs(urlsplit(url).query, strict_parsing=True)


def test_it_says_who_asks_whose_session_ends_and_where_the_browser_comes_back() -> None:
    assert asked() == (
        "https://idp.example/end",
        {
            "id_token_hint": ["a.b.c"],
            "client_id": ["client & co"],
            "post_logout_redirect_uri": ["https://mfa.example.com/logout/callback"],
            "state": ["s"],
        },
    )


def test_what_is_long_or_missing_is_left_out() -> None:
    assert "id_token_hint" not in asked(hint="")[1]
    assert "id_token_hint" in asked(hint="x" * MAX_HINT_CHARS)[1]
    assert "id_token_hint" not in asked(hint="x" * (MAX_HINT_CHARS + 1))[1]


def test_the_endpoint_keeps_its_own_query_but_not_what_is_ours_to_say() -> None:
    place, query = asked("https://idp.example/end?p=policy&state=theirs#part")
    assert place == "https://idp.example/end"
    assert (query["p"], query["state"]) == (["policy"], ["s"])
