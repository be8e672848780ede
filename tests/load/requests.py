"""The requests that `check.lua` makes, made here too, for what wrk cannot do: a fixed rate, and each one once."""

from __future__ import annotations

from dataclasses import dataclass

from tests.load.programs import APP

DIALECTS = ("auth-request", "forward-auth", "ext-authz")
PATHS = tuple(f"/static/app-{number}.js" for number in range(7))
"""Their number has no divisor in common with a number of sessions: each session asks for each path."""
COOKIE = "secondgate"
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    f"Referer: http://{APP}/",
    "Sec-Fetch-Site: same-origin",
)
SCRIPT = ("Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty")
NAVIGATION = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `value` is the cookie's value, empty for nobody; `more` are further lines."""

    path: str = "/"
    value: str = ""
    dialect: str = "auth-request"
    host: str = APP
    is_navigation: bool = False
    more: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Give it as it is sent."""
        cookie = f"Cookie: theme=dark; {COOKIE}={self.value}" if self.value else "Cookie: theme=dark"
        kind = NAVIGATION if self.is_navigation else SCRIPT
        lines = (*self._head(), *BROWSER, *kind, *self.more, cookie)
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _head(self) -> tuple[str, ...]:
        host, path, forwarded = self.host, self.path, "X-Forwarded-For: 203.0.113.7"
        match self.dialect:
            case "auth-request":
                url = f"X-Original-URL: http://{host}{path}"
                start = "GET /verify/auth-request HTTP/1.1"
                return (start, f"Host: {host}", url, "X-Original-Method: GET", forwarded)
            case "forward-auth":
                original = ("X-Forwarded-Proto: http", f"X-Forwarded-Host: {host}", f"X-Forwarded-Uri: {path}")
                start = "GET /verify/forward-auth HTTP/1.1"
                return (start, f"Host: {host}", "X-Forwarded-Method: GET", *original, forwarded)
            case "ext-authz":
                start = f"GET /verify/ext-authz{path} HTTP/1.1"
                return (start, f"Host: {host}", "X-Forwarded-Proto: http", forwarded)
            case _:
                return (f"GET {path} HTTP/1.1", f"Host: {host}")
