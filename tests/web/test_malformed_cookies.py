"""Cookies that no browser of ours would send: refused as if there were none, quietly."""

from __future__ import annotations

import pytest

from tests.web.site import DIALECTS, Site

MENU = "https://menu.example.com/"
MALFORMED = {
    "empty": "__Host-secondgate=",
    "no value": "__Host-secondgate",
    "blank": "__Host-secondgate= ",
    "not base64": "__Host-secondgate=!!!.???.***",
    "dots": "__Host-secondgate=..",
    "not UTF-8": "__Host-secondgate=\udcff\udcfe",
    "quoted": '__Host-secondgate="a.b.c"',
    "64 KiB": "__Host-secondgate=" + "a" * 65536,
    "20 KiB": "__Host-secondgate=" + "a" * 20480,
    "64 KiB beside": "x=" + "a" * 20480 + "; __Host-secondgate=a.b.c",
    "a hundred": "; ".join(["__Host-secondgate=a.b.c"] * 100),
    "other names": "; ".join(f"__Host-secondgate{n}=a" for n in range(100)),
    "plain name": "secondgate=a.b.c",
    "JSON": '__Host-secondgate={"a":1}',
    "none": "__Host-secondgate=eyJhbGciOiJub25lIn0.e30.",
}


@pytest.mark.case(29)
@pytest.mark.parametrize("cookie", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_cookie_is_refused_with_one_log_line_at_most(
    site: Site, cookie: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for dialect in DIALECTS:
        capsys.readouterr()
        answer = await site.check(dialect, MENU, cookie=cookie)
        assert answer.status in {302, 400, 401}
        assert answer.all("Set-Cookie") == []
        written = "".join(capsys.readouterr())
        assert written.count("\n") <= 1
        assert "aaaa" not in written
        identity = await site.send(
            "portal", "GET", "/cdn-cgi/access/get-identity", [("Host", "menu.example.com"), ("Cookie", cookie)]
        )
        assert identity.status in {400, 401}


@pytest.mark.case(29)
async def test_malformed_cookies_at_the_portal_are_as_none(site: Site) -> None:
    for name in ("state", "device", "login"):
        for cookie in MALFORMED.values():
            sent = cookie.replace("__Host-secondgate", f"__Host-secondgate_{name}")
            fields = [("Host", "mfa.example.com"), ("Cookie", sent)]
            answer = await site.send("portal", "GET", "/account/devices", fields)
            assert answer.status in {303, 400}
