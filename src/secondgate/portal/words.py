"""What people are told about a rejection: what happened and what to do. Reasons for operators stand in the log."""

from __future__ import annotations

from secondgate.errors import (
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    NotSignedIn,
    ProofRejected,
    Reason,
    Rejected,
    TokenRejected,
    TooManyAttempts,
)
from secondgate.portal.templating import in_words

STATUSES: tuple[tuple[type[Rejected], int], ...] = (
    (Malformed, 400),
    (TokenRejected, 400),
    (ProofRejected, 403),
    (NotSignedIn, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (TooManyAttempts, 429),
    (Rejected, 400),
)
"""The one table from classes of errors to statuses."""

_WORDS = {
    Reason.WRONG_CODE: "That code is not right. Check that you took the newest one, and try again.",
    Reason.CODE_USED: "That code was used already. Wait for the next one and enter it.",
    Reason.EXPIRED: "That code has expired. Ask for a new one.",
    Reason.WRONG_PASS: (
        "That pass is not right, or it is no longer valid. Check it, or ask an administrator for a new one."
    ),
    Reason.PASS_NEEDED: "To set up your first MFA device here, you need a temporary pass from an administrator.",
    Reason.WINDOW_CLOSED: "Verify with one of your MFA devices first.",
    Reason.METHOD_NOT_ALLOWED: "This kind of MFA device is not allowed here.",
    Reason.ALREADY_ENROLLED: "You have an authenticator app already. Remove it before you set up another.",
    Reason.NOT_FIRST: "Another MFA device was added meanwhile. Verify with it first.",
    Reason.CREDENTIAL_TAKEN: "This device is enrolled already.",
    Reason.ATTESTATION: (
        "This device did not prove that it is of a model that your organization lists. Only listed ones can be added: "
        "use one of those, or ask an administrator."
    ),
    Reason.ATTACHMENT: "This device is of another kind than you chose. Go back and choose its kind.",
    Reason.USER_VERIFICATION: "The device did not check that it is you. Set up its screen lock or PIN, and try again.",
    Reason.SESSION_ENDED: "You were logged out meanwhile. Log in again.",
    Reason.PERSON_DISABLED: "Your access was turned off. Ask an administrator.",
    Reason.PROVIDER_REFUSED: "The identity provider did not log you in. Try again, or ask an administrator.",
    Reason.EMAIL_NOT_VERIFIED: "The identity provider does not confirm your e-mail address. Confirm it there first.",
    Reason.IDENTITY_NOT_JOINED: (
        "Your e-mail address is known here from another way of logging in. To use this way too, log in the earlier "
        "way, verify with one of your MFA devices, and then log in this way once, within ten minutes. If you cannot "
        "log in the earlier way, ask an administrator."
    ),
    Reason.IDENTITY_MISMATCH: "Your e-mail address is now one that somebody else has here. Ask an administrator.",
    Reason.OTHER_BROWSER: "This login was begun in another browser. Start again here.",
    Reason.UNKNOWN_OR_USED: "This login has expired or was used already. Start again.",
    Reason.CROSS_SITE: "This page is out of date. Load it again and retry.",
}
_SIGN_IN = "Log in again."
_PROOF = "This device was not accepted. Try again, or use another one."


def status_of(error: Rejected) -> int:
    """Give the HTTP status of a rejection."""
    return next(status for of, status in STATUSES if isinstance(error, of))


def words_for(error: Rejected) -> str:
    """Give the sentence for the person. WebAuthn failures share one, so that it tells nothing about other people."""
    if isinstance(error, TooManyAttempts):
        if error.resets_in_s is None:
            return "There were too many wrong codes. Use another MFA device, or ask an administrator to reset this one."
        return f"There were too many attempts. Try again in {in_words(error.resets_in_s)}."
    if isinstance(error, Malformed):
        sentence = error.detail.partition(": ")[2]
        return sentence[:1].upper() + sentence[1:].rstrip(".") + "."
    if isinstance(error, NotSignedIn):
        return _SIGN_IN
    return _WORDS.get(error.reason, _PROOF if isinstance(error, ProofRejected) else "That is not possible here.")
