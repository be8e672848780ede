"""What machines prove themselves with: two header fields, and how their values are made.

The names and forms are those of Cloudflare Access: `CF-Access-Client-Id` holds 32 hexadecimal digits and `.access`,
`CF-Access-Client-Secret` 64 hexadecimal digits. Whether the secret is right is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from secondgate.model.secret import Secret
from secondgate.protocol.forwarded import HeaderMap, single_header

CLIENT_ID_HEADER = "CF-Access-Client-Id"
CLIENT_SECRET_HEADER = "CF-Access-Client-Secret"  # noqa: S105 - a header's name
CLIENT_ID_BYTES = 16
CLIENT_SECRET_BYTES = 32
_CLIENT_ID = re.compile(r"[0-9a-f]{32}\.access")
_MAY_BE_OURS = re.compile(r"cf[^a-z0-9]access", re.IGNORECASE)
"""What the two names and all their twins begin with: most requests have none of them."""


@dataclass(frozen=True, slots=True)
class PresentedServiceToken:
    """What a request says. A half that was not sent is empty, and proves nothing."""

    client_id: str
    secret: Secret[str]

    @property
    def public_id(self) -> str:
        """The client id, where it has the form of one: anything else may be a secret in the wrong field."""
        return self.client_id if _CLIENT_ID.fullmatch(self.client_id) else ""


def parse_service_token(headers: HeaderMap) -> PresentedServiceToken | None:
    """Read the two fields; None when neither was sent.

    Raises Malformed, AMBIGUOUS_HEADER, for a second one, a twin (`CF_Access_Client_Id`) and control characters.
    """
    if not any(_MAY_BE_OURS.match(name) for name, _ in headers):
        return None
    client_id = single_header(headers, CLIENT_ID_HEADER)
    secret = single_header(headers, CLIENT_SECRET_HEADER)
    if client_id is None and secret is None:
        return None
    return PresentedServiceToken(client_id or "", Secret(secret or ""))


def new_client_id(random_bytes: Callable[[int], bytes]) -> str:
    """Make a client id of 128 random bits."""
    return f"{random_bytes(CLIENT_ID_BYTES).hex()}.access"


def new_client_secret(random_bytes: Callable[[int], bytes]) -> Secret[str]:
    """Make a secret of 256 random bits."""
    return Secret(random_bytes(CLIENT_SECRET_BYTES).hex())
