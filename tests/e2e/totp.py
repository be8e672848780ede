"""An authenticator app, as small as can be: independent of the library that Secondgate uses."""

from __future__ import annotations

import base64
import hmac

TOTP_STEP_S = 30


def totp_code(setup_key: str, at: float) -> str:
    """Compute an authenticator app's code (RFC 6238 with SHA-1, 6 digits, 30 s) at a Unix time."""
    seed = base64.b32decode(setup_key + "=" * (-len(setup_key) % 8))
    mac = hmac.digest(seed, int(at // TOTP_STEP_S).to_bytes(8, "big"), "sha1")
    offset = mac[-1] & 15
    return f"{(int.from_bytes(mac[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"
