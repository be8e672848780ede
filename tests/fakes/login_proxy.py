"""A login proxy as oauth2-proxy is one: it answers checks with 2xx and who somebody is, and has a login page.

`/oauth2/auth` is what nginx asks (202 or 401), every other path what Traefik asks (202, or 302 to the login page, as
with `--upstream=static://202`). `/oauth2/start?rd=…` is the login page: whoever types an address is that person, and
says with which methods and when they logged in. A check for the path `/.status/NNN` is answered with that status.
`/seen` lists the header names of all checks. Run it with `python -m tests.fakes.login_proxy PORT LOGIN-URL DOMAIN`.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from html import escape
from urllib.parse import quote, urlsplit

from aiohttp import web

COOKIE = "_oauth2_proxy"
FIELDS = ("email", "preferred_username", "groups", "amr", "auth_time")
SEEN: web.AppKey[list[str]] = web.AppKey("seen", list)
LOGIN_URL = web.AppKey("login_url", str)
DOMAIN = web.AppKey("domain", str)


def cookie_of(**person: str) -> str:
    """Give the cookie of somebody who is logged in."""
    return base64.urlsafe_b64encode(json.dumps(person).encode()).decode().rstrip("=")


def _person(request: web.Request) -> dict[str, str] | None:
    cookie = request.cookies.get(COOKIE, "")
    try:
        person = json.loads(base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4)))
    except ValueError:
        return None
    return person if isinstance(person, dict) else None


async def check(request: web.Request) -> web.StreamResponse:
    """Say who somebody is, or that they must log in."""
    request.app[SEEN].extend(name.lower() for name in request.headers)
    headers = request.headers
    original = urlsplit(str(headers.get("X-Original-URL") or headers.get("X-Forwarded-Uri", "")))
    if status := re.fullmatch(r"/\.status/(\d{3})", original.path):
        return web.Response(status=int(status[1]))
    person = _person(request)
    if person is not None:
        said = {f"X-Auth-Request-{name.replace('_', '-').title()}": text for name, text in person.items() if text}
        return web.Response(status=202, headers=said)
    if request.path == "/oauth2/auth":
        return web.Response(status=401)
    url = f"{headers['X-Forwarded-Proto']}://{headers['X-Forwarded-Host']}{headers['X-Forwarded-Uri']}"
    return web.Response(status=302, headers={"Location": f"{request.app[LOGIN_URL]}/oauth2/start?rd={quote(url)}"})


async def show_login(request: web.Request) -> web.StreamResponse:
    """Show the login page."""
    inputs = "".join(f'<input name="{name}">' for name in FIELDS)
    rd = escape(request.query.get("rd", "/"), quote=True)
    form = f'<form method="post" action="/oauth2/start"><input type="hidden" name="rd" value="{rd}">{inputs}</form>'
    return web.Response(text=f"<title>Login proxy</title>{form}", content_type="text/html")


async def log_in(request: web.Request) -> web.StreamResponse:
    """Log somebody in for the whole domain."""
    form = await request.post()
    answer = web.Response(status=303, headers={"Location": str(form["rd"])})
    value = cookie_of(**{name: str(form.get(name, "")) for name in FIELDS})
    answer.set_cookie(COOKIE, value, domain=request.app[DOMAIN], path="/", httponly=True)
    return answer


async def seen(request: web.Request) -> web.StreamResponse:
    """List the header names of all checks."""
    names = request.app[SEEN]
    return web.json_response(sorted(set(names)))


def make_app(login_url: str, domain: str) -> web.Application:
    """Make the login proxy; browsers see its pages at `login_url`, and its cookie is for `domain`."""
    app = web.Application()
    app[SEEN] = []
    app[LOGIN_URL] = login_url
    app[DOMAIN] = domain
    app.router.add_get("/seen", seen)
    app.router.add_get("/oauth2/start", show_login)
    app.router.add_post("/oauth2/start", log_in)
    app.router.add_route("*", "/{anything:.*}", check)
    return app


if __name__ == "__main__":
    web.run_app(make_app(sys.argv[2], sys.argv[3]), host="127.0.0.1", port=int(sys.argv[1]), print=None)
