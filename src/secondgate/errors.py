"""The whole error tree. It knows no HTTP: each listener maps these classes to statuses in one table.

    SecondgateError
    ├── Rejected               the request's fault; may be counted, is never retried by us
    │   ├── Malformed          a field is not of the form asked for (names the field and what is allowed)
    │   ├── TokenRejected      a signed token does not prove what it claims
    │   ├── ProofRejected      a code, an assertion or an attestation proves nothing
    │   ├── NotSignedIn        nobody is known in this browser
    │   ├── Forbidden          known, and not allowed
    │   ├── NotFound           there is no such thing, or it belongs to another person
    │   ├── Conflict           the thing exists already, or is in the way
    │   └── TooManyAttempts    come back in `resets_in_s` seconds (None: an administrator must act)
    ├── Unavailable            cannot be known now: never counted, never signs anyone out
    ├── InvalidConfiguration   every problem of a configuration, each with its place
    └── StartRefused           the stores are not in a state in which starting would be safe

`Rejected` and `Unavailable` are never mixed: an outage must not look like a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why something was rejected; written to logs and the audit log, never parsed from text."""

    # wire and form
    MALFORMED = "malformed"
    UNTRUSTED_PROXY = "untrusted_proxy"
    PROXY_SECRET = "proxy_secret"  # noqa: S105 - the name of a reason, not a secret
    AMBIGUOUS_HEADER = "ambiguous_header"
    MISSING_HEADER = "missing_header"
    AMBIGUOUS_PATH = "ambiguous_path"
    UNKNOWN_HOST = "unknown_host"
    CROSS_SITE = "cross_site"
    # policy
    NO_APPLICATION = "no_application"
    NO_POLICY_MATCHED = "no_policy_matched"
    POLICY_DENIED = "policy_denied"
    PERSON_DISABLED = "person_disabled"
    IDENTITY_PROVIDER_NOT_ALLOWED = "identity_provider_not_allowed"
    IDENTITY_MISMATCH = "identity_mismatch"
    # sessions
    NO_SESSION = "no_session"
    SERVICE_TOKEN = "service_token"  # noqa: S105 - the name of a reason, not a secret
    SESSION_ENDED = "session_ended"
    OTHER_BROWSER = "other_browser"
    WINDOW_CLOSED = "window_closed"
    PASS_NEEDED = "pass_needed"  # noqa: S105 - the name of a reason, not a secret
    # identity providers
    PROVIDER_REFUSED = "provider_refused"
    EMAIL_NOT_VERIFIED = "email_not_verified"
    IDENTITY_NOT_JOINED = "identity_not_joined"
    # MFA
    MFA_MISSING = "mfa_missing"
    MFA_METHOD = "mfa_method"
    MFA_AGE = "mfa_age"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    # single-use things
    UNKNOWN_OR_USED = "unknown_or_used"
    EXPIRED = "expired"
    # codes
    WRONG_CODE = "wrong_code"
    CODE_USED = "code_used"
    WRONG_PASS = "wrong_pass"  # noqa: S105 - the name of a reason, not a secret
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    # WebAuthn
    WRONG_CEREMONY = "wrong_ceremony"
    WRONG_CHALLENGE = "wrong_challenge"
    WRONG_ORIGIN = "wrong_origin"
    CROSS_ORIGIN = "cross_origin"
    WRONG_RP_ID = "wrong_rp_id"
    USER_PRESENCE = "user_presence"
    USER_VERIFICATION = "user_verification"
    BACKUP_FLAGS = "backup_flags"
    UNKNOWN_CREDENTIAL = "unknown_credential"
    USER_HANDLE = "user_handle"
    SIGNATURE = "signature"
    SIGNATURE_COUNTER = "signature_counter"
    CREDENTIAL_ID = "credential_id"
    PUBLIC_KEY = "public_key"
    ATTACHMENT = "attachment"
    ATTESTATION = "attestation"
    # tokens
    TOKEN_SIZE = "token_size"  # noqa: S105 - the name of a reason, not a secret
    TOKEN_HEADER = "token_header"  # noqa: S105 - the name of a reason, not a secret
    TOKEN_KEY = "token_key"  # noqa: S105 - the name of a reason, not a secret
    TOKEN_SIGNATURE = "token_signature"  # noqa: S105 - the name of a reason, not a secret
    TOKEN_CLAIMS = "token_claims"  # noqa: S105 - the name of a reason, not a secret
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - the name of a reason, not a secret
    # enrolment
    ALREADY_ENROLLED = "already_enrolled"
    NOT_FIRST = "not_first"
    CREDENTIAL_TAKEN = "credential_taken"
    NAME_TAKEN = "name_taken"
    NOT_FOUND = "not_found"
    # administration
    MANAGED_BY_FILE = "managed_by_file"
    CHANGED_MEANWHILE = "changed_meanwhile"
    STILL_USED = "still_used"
    MFA_OFF = "mfa_off"
    PERMISSION = "permission"
    API_TOKEN = "api_token"  # noqa: S105 - the name of a reason, not a secret


class SecondgateError(Exception):
    """Whatever Secondgate raises on purpose."""


class Rejected(SecondgateError):
    """The request's fault.

    `reason` is for machines and logs; `detail` is a sentence for an operator and holds no secret.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class Malformed(Rejected):
    """A field is not of the form asked for; `detail` says what is allowed."""

    def __init__(self, field: str, detail: str, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(reason, f"{field}: {detail}")
        self.field = field


class TokenRejected(Rejected):
    """A signed token does not prove what it claims."""


class ProofRejected(Rejected):
    """A code, an assertion or an attestation proves nothing."""


class NotSignedIn(Rejected):
    """Nobody is known in this browser."""


class Forbidden(Rejected):
    """Known, and not allowed."""


class NotFound(Rejected):
    """There is no such thing, or it belongs to another person: the two look alike."""


class Conflict(Rejected):
    """The thing exists already, or something that refers to it is in the way."""


class TooManyAttempts(Rejected):
    """A limit was reached; `resets_in_s` seconds from now another attempt counts again."""

    def __init__(self, resets_in_s: int | None, detail: str = "") -> None:
        super().__init__(Reason.TOO_MANY_ATTEMPTS, detail)
        self.resets_in_s = resets_in_s


class Unavailable(SecondgateError):
    """A store, a provider or a mail server cannot be asked now."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration: where it stands and what would be right."""

    path: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Give the form compilers use, so that editors can jump to it."""
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else (f"{self.file}: " if self.file else "")
        return f"{place}{self.path}: {self.message}" if self.path else f"{place}{self.message}"


class InvalidConfiguration(SecondgateError):
    """A configuration that cannot be used, with all its problems."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class StartRefused(SecondgateError):
    """Starting would open doors or lose data; the text says what to do."""
