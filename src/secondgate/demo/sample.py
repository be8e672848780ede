"""The sample application, which shows what it was told about the person, and the page with the demo's mail."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from aiohttp import web

from secondgate.demo.site import MAIL_HOST, PORTAL_HOST, DemoSite

_PIN = re.compile(r"^\s+([0-9]{6})\s*$", re.MULTILINE)
SITE = web.AppKey("site", DemoSite)


@dataclass(frozen=True, slots=True)
class Mail:
    """One message of the outbox."""

    to: str
    subject: str
    text: str

    @property
    def pin(self) -> str:
        """The PIN in it; empty where there is none."""
        found = _PIN.search(self.text)
        return found[1] if found else ""


def read_outbox(folder: Path) -> list[Mail]:
    """Read all messages, the newest first."""
    files = sorted(folder.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    messages = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
    return [Mail(str(m["To"]), str(m["Subject"]), m.get_content()) for m in messages]


def make_sample(site: DemoSite) -> web.Application:
    """Make both, told apart by the host."""
    app = web.Application()
    app[SITE] = site
    app.router.add_route("GET", "/{path:.*}", _show)
    return app


async def _show(request: web.Request) -> web.Response:
    site = request.app[SITE]
    if request.host.partition(":")[0] == MAIL_HOST:
        body = "".join(
            f"<article><h2>{escape(mail.subject)}</h2><p>To {escape(mail.to)}</p>"
            f"<pre>{escape(mail.text)}</pre></article>"
            for mail in read_outbox(site.outbox)
        )
        return _page("Mail of the demo", body or "<p>No mail yet. Log in, then load this page again.</p>")
    rows = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in request.headers.items()
        if name.lower().startswith(("remote-", "cf-access-", "cookie"))
    )
    links = "".join(
        f'<li><a href="{escape(url)}">{text}</a></li>'
        for url, text in (
            ("/", "This application: any second factor"),
            ("/vault", "Its vault: a security key or biometrics"),
            (site.url(PORTAL_HOST), "Your applications and MFA devices"),
            ("/.secondgate/logout", "Log out"),
        )
    )
    email_address = escape(request.headers.get("Remote-Email", "nobody"))
    heading = "The vault" if request.path.startswith("/vault") else "The sample application"
    told = f"<h2>What Secondgate told this application</h2><table>{rows}</table>"
    return _page(heading, f"<p>You are <strong>{email_address}</strong>.</p><ul>{links}</ul>{told}")


def _page(title: str, body: str) -> web.Response:
    style = (
        "body{font:1rem/1.6 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}"
        ":root{color-scheme:light dark}"
        "th{text-align:left;padding-right:1rem;vertical-align:top}td{overflow-wrap:anywhere}pre{white-space:pre-wrap}"
    )
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{style}</style><main><h1>{title}</h1>{body}</main></html>"
    )
    return web.Response(text=html, content_type="text/html")
