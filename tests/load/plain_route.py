"""What Secondgate is measured against: aiohttp routes, as one writes them, on uvloop.

The plain route does what a hit needs and nothing more: it reads which URL is asked about and the cookie, looks both up
in a dictionary, and answers 200 with the header fields of an allowed check. It proves nothing and counts nothing. The
empty route, `/empty`, reads nothing and says nothing: what is left is aiohttp alone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from aiohttp import web

EMPTY = "/empty"
PEOPLE: dict[tuple[str, str], dict[str, str]] = {}


async def answer(request: web.Request) -> web.StreamResponse:
    """Look up who it is; 401 for everybody else."""
    original = urlsplit(request.headers["X-Original-URL"])
    fields = PEOPLE.get((original.netloc, request.cookies.get("secondgate", "")))
    return web.Response(status=401) if fields is None else web.Response(headers=fields)


async def answer_nothing(_: web.Request) -> web.StreamResponse:
    """Answer 200 without looking."""
    return web.Response()


def fields_of(number: int) -> dict[str, str]:
    """Give what an allowed check tells, as long as the gate's own."""
    email = f"person-{number:07}@people.test"
    return {
        "Remote-User": email,
        "Remote-Email": email,
        "Remote-Name": f"Person {number:07}",
        "Remote-Groups": "staff",
        "Cf-Access-Authenticated-User-Email": email,
        "Cf-Access-Jwt-Assertion": "a" * 700,
        "Cache-Control": "no-store",
    }


async def serve(port: int, host: str, cookies: Path) -> None:
    """Serve until the process is ended."""
    lines = cookies.read_text().split()  # noqa: ASYNC240 - once, at start
    PEOPLE.update({(host, line): fields_of(number) for number, line in enumerate(lines)})
    app = web.Application()
    app.router.add_route("*", EMPTY, answer_nothing)
    app.router.add_route("*", "/verify/auth-request", answer)
    await web._run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
