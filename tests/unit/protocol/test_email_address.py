"""E-mail addresses as identities: one plain spelling or none."""

from __future__ import annotations

import pytest

from secondgate.errors import Malformed
from secondgate.protocol.email_address import parse_email


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("ada@example.com", "ada@example.com"),
        (" Ada.Lovelace+x@Example.COM ", "ada.lovelace+x@example.com"),
        ("o'hara@localhost", "o'hara@localhost"),
        ("a" * 64 + "@x.org", "a" * 64 + "@x.org"),
    ],
)
def test_a_plain_address_is_folded(text: str, email: str) -> None:
    assert parse_email(text) == email


@pytest.mark.case(65)
@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "@",
            "a@",
            "@b",
            "ada",
            "a@b@c",
            "a@@b",
            '"a@b"@c',
            "a b@c",
            "a@b c",
            "a@b,c@d",
            "a@b;c",
            "<a@b>",
            "a@b\n",
        ),
        *("a..b@c", ".a@b", "a.@b", "a@b..c", "a@-b", "a@b-", "a@b.", "a@.b", "a@[127.0.0.1]", "a\x00@b", "a@b\tc"),
        *("\u212aate@example.com", "ada@ex\u212ample.com", "\udcff@b", "a@b\u3002c", "\u0131@b"),
        *("a" * 65 + "@b", "a@" + "b" * 64, "a@" + "b." * 130 + "b", "a" * 100_000 + "@b"),
        *(None, 1, b"a@b", ["a@b"]),
    ],
)
def test_everything_else_is_refused(text: object) -> None:
    with pytest.raises(Malformed, match="mail: must be one e-mail address"):
        parse_email(text, field="mail")
