"""Time-based one-time passwords: SHA-1, six digits, thirty seconds (RFC 6238; RFC 4226, section 5).

Decides which time step a code belongs to. That a step is accepted once only is the store's
(`claim_totp_step`), and so is how many wrong codes are borne.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable

import pyotp

from secondgate.errors import Malformed, ProofRejected, Reason
from secondgate.model.secret import Secret

SEED_BYTES = 20
STEP_S = 30
MAX_INPUT_CHARS = 32
_CODE = re.compile(r"[0-9]{6}")


def new_seed(random_bytes: Callable[[int], bytes]) -> Secret[bytes]:
    """Make a seed of 160 bits (RFC 4226, section 4, R6)."""
    return Secret(random_bytes(SEED_BYTES))


def provisioning_uri(seed: Secret[bytes], *, account: str, issuer: str) -> str:
    """Give the `otpauth://totp/…` URI that authenticator apps read from a QR code. It holds the seed."""
    return _totp(seed).provisioning_uri(name=account, issuer_name=issuer)


def setup_key(seed: Secret[bytes]) -> str:
    """Give the seed to be typed by hand: base32 in groups of four. It is the seed."""
    text = _base32(seed)
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def parse_code(text: object) -> str:
    """Give the six ASCII digits of a code, without the spaces that people type around or inside it.

    Raises Malformed for everything else, digits of other scripts among it.
    """
    if isinstance(text, str) and len(text) <= MAX_INPUT_CHARS:
        code = text.replace(" ", "")
        if _CODE.fullmatch(code):
            return code
    raise Malformed("code", "must be six digits")


def verify_code(seed: Secret[bytes], code: str, *, now: int) -> int:
    """Give the time step that a code belongs to: the present one, the one before or the one after.

    `now` is Unix seconds. All three are compared, each in constant time; the latest match counts. Raises
    ProofRejected with WRONG_CODE (RFC 6238, section 5.2).
    """
    totp = _totp(seed)
    present_step = now // STEP_S
    matched_step = -1
    for step in range(max(present_step - 1, 0), present_step + 2):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode("utf-8", "surrogatepass")):
            matched_step = step
    if matched_step < 0:
        raise ProofRejected(Reason.WRONG_CODE)
    return matched_step


def code_at(seed: Secret[bytes], *, now: int) -> str:
    """Give the code that an authenticator app shows at `now` (Unix seconds; RFC 6238, section 4)."""
    return _totp(seed).generate_otp(now // STEP_S)


def _totp(seed: Secret[bytes]) -> pyotp.TOTP:
    return pyotp.TOTP(_base32(seed), interval=STEP_S)


def _base32(seed: Secret[bytes]) -> str:
    return base64.b32encode(seed.reveal()).decode("ascii").rstrip("=")
