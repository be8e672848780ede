"""The settings model: the whole configuration, every field parsed to the type that the program works with.

This says what one field may be; `problems` says what does not fit together. Secrets are `Secret`; that each can be
given as a file (`proxy_secret_file`) is arranged by `secret_files` before this model is asked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from secondgate.access.fields import (
    Count,
    EmailAddress,
    Flag,
    OutgoingUrl,
    Scope,
    Shape,
    Text,
    parse_network,
    refusal,
)
from secondgate.access.shapes import AccessShapes
from secondgate.config.listen import ListenAddress, parse_listen_address
from secondgate.config.public_url import PublicUrl, parse_public_url
from secondgate.config.retention import Retention, parse_retention
from secondgate.errors import Malformed
from secondgate.model.keys import SigningAlgorithm
from secondgate.model.presented_jwt import JwtSource
from secondgate.model.secret import Secret
from secondgate.protocol.redis_url import parse_redis_url

T = TypeVar("T")
MIN_PROXY_SECRET_CHARACTERS = 16
MAX_WORKERS = 256
_ACCOUNT_ID = re.compile(r"[0-9a-f]{32}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", re.ASCII)
_HEADER_SECRET = re.compile(rf"[\x21-\x7e]{{{MIN_PROXY_SECRET_CHARACTERS},1024}}")


def _parsed(parse: Callable[[object], T]) -> Callable[[object], T]:
    def check(value: object) -> T:
        try:
            return parse(value)
        except Malformed as error:
            raise refusal(error.detail.removeprefix(f"{error.field}: ")) from None

    return check


def _proxy_network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, (IPv4Network, IPv6Network)):
        return value
    if not isinstance(value, str):
        raise Malformed("network", "must be an address or a network, as 192.0.2.7 or 10.0.0.0/8")
    return parse_network(value)


def _secret(pattern: re.Pattern[str], form: str) -> Callable[[object], Secret[str]]:
    """Make a parser of secrets; its messages never show the value."""

    def parse(value: object) -> Secret[str]:
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str):
            raise refusal("must be text; put it in quotes")
        if not pattern.fullmatch(value):
            raise refusal(f"must be {form}")
        return Secret(value)

    return parse


def _redis_url(value: object) -> Secret[str]:
    """Keep a URL as it is, once it was read; its messages never show it."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise refusal("must be text; put it in quotes")
    if value:
        parse_redis_url(value)
    return Secret(value)


def _public_url(value: object) -> PublicUrl:
    return value if isinstance(value, PublicUrl) else parse_public_url(value)


def _listen_address(value: object) -> ListenAddress:
    return value if isinstance(value, ListenAddress) else parse_listen_address(value)


def _retention(value: object) -> Retention:
    return value if isinstance(value, Retention) else parse_retention(value)


def _account_id(value: str) -> str:
    if not _ACCOUNT_ID.fullmatch(value.lower()):
        raise refusal("must be 32 hexadecimal digits; leave it out to have it made from public_url")
    return value.lower()


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise refusal("must be the name of a header field (RFC 9110), as Remote-User")
    return value


def _path(value: str) -> Path:
    if not value:
        raise refusal("must be a path")
    return Path(value)


def _cookie_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise refusal("must be the name of a cookie (RFC 6265), as id_token")
    return value


def _audiences(value: object) -> tuple[str, ...]:
    audiences = value if isinstance(value, (list, tuple)) else [value]
    if not audiences or not all(isinstance(one, str) and one and one.isprintable() for one in audiences):
        raise refusal("must be a text that the tokens name as aud, or a list of such texts")
    return tuple(audiences)


_STRING = WithJsonSchema({"type": "string"})
_STRINGS = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
)
_SECRET = WithJsonSchema({"type": "string", "writeOnly": True})
_AS_TEXT = PlainSerializer(str, return_type=str)
ProxyNetwork = Annotated[IPv4Network | IPv6Network, PlainValidator(_parsed(_proxy_network)), _STRING, _AS_TEXT]
Listen = Annotated[ListenAddress, PlainValidator(_parsed(_listen_address)), _STRING, _AS_TEXT]
AuditRetention = Annotated[Retention, PlainValidator(_parsed(_retention)), _STRING, _AS_TEXT]
HeaderName = Annotated[Text, AfterValidator(_header_name)]
CookieName = Annotated[Text, AfterValidator(_cookie_name)]
Audiences = Annotated[tuple[str, ...], PlainValidator(_audiences), _STRINGS]
Folder = Annotated[
    Path, PlainValidator(lambda v: v if isinstance(v, Path) else _path(_plain_text(v))), _STRING, _AS_TEXT
]
ProxySecret = Annotated[
    Secret[str],
    PlainValidator(
        _secret(_HEADER_SECRET, f"{MIN_PROXY_SECRET_CHARACTERS} to 1024 visible ASCII characters without spaces")
    ),
    _SECRET,
    _AS_TEXT,
]
DatabaseUrl = Annotated[
    Secret[str],
    PlainValidator(
        _secret(
            re.compile(r"|postgres(?:ql)?://\S+"), "empty (SQLite in data_dir) or a URL, as postgresql://user@host/name"
        )
    ),
    _SECRET,
    _AS_TEXT,
]
RedisUrl = Annotated[
    Secret[str],
    PlainValidator(_parsed(_redis_url)),
    _SECRET,
    _AS_TEXT,
]
SmtpUrl = Annotated[
    Secret[str],
    PlainValidator(
        _secret(re.compile(r"smtps?://\S+"), "a URL, as smtp://user:password@mail.example.com:587 or smtps://…")
    ),
    _SECRET,
    _AS_TEXT,
]


def _plain_text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise refusal("must be text; put it in quotes")
    return value


class Section(Shape):
    """A part of the configuration: immutable, no other keys than its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class ListenSettings(Section):
    """The three listeners."""

    gate: Listen = ListenAddress("127.0.0.1", 9180)
    portal: Listen = ListenAddress("127.0.0.1", 9181)
    admin: Listen = ListenAddress("127.0.0.1", 9182)


class StorageSettings(Section):
    """Where things are kept. `database` empty: SQLite in `data_dir`; `redis` empty: embedded."""

    data_dir: Folder = Path("/var/lib/secondgate")
    database: DatabaseUrl = Secret("")
    redis: RedisUrl = Secret("")


class MailSettings(Section):
    """How mail is sent: by SMTP, or into a folder of `.eml` files."""

    smtp: SmtpUrl | None = None
    outbox: Folder | None = None
    from_: EmailAddress = Field(alias="from")


class HeaderIdentitySettings(Section):
    """The header fields in which a trusted proxy says who somebody is; those without a name are not read."""

    email: HeaderName
    name: HeaderName | None = None
    groups: HeaderName | None = None
    groups_separator: Literal[",", "|"] = ","
    amr: HeaderName | None = None
    auth_time: HeaderName | None = None


class JwtIdentitySettings(Section):
    """The place in which requests bring a signed token of another login system, and the issuer who is believed there.

    Exactly one of `header` and `cookie`, and exactly one of `jwks_url` and `jwks_file`.
    """

    header: HeaderName | None = None
    cookie: CookieName | None = None
    jwks_url: OutgoingUrl | None = None
    jwks_file: Folder | None = None
    issuer: Scope
    audience: Audiences
    email_claim: Scope = "email"
    name_claim: Scope = "name"
    groups_claim: Scope = "groups"
    trust_email: Flag = False

    def source(self) -> JwtSource:
        """Give what requests are read by."""
        return JwtSource(
            issuer=self.issuer,
            audiences=self.audience,
            header=self.header or "",
            cookie=self.cookie or "",
            jwks_url=self.jwks_url or "",
            jwks_file=self.jwks_file,
            email_claim=self.email_claim,
            name_claim=self.name_claim,
            groups_claim=self.groups_claim,
            trust_email=self.trust_email,
        )


class IdentitySettings(Section):
    """Identity besides the identity providers."""

    headers: tuple[HeaderIdentitySettings, ...] = ()
    jwt: tuple[JwtIdentitySettings, ...] = ()


class WebAuthnSettings(Section):
    """Security keys and biometrics. `metadata_file` is a BLOB of FIDO Metadata, instead of the installed edition."""

    metadata_file: Folder | None = None


class AuditSettings(Section):
    """The audit log. `retention`: how long events are kept."""

    retention: AuditRetention = Retention(8760 * 3600)


class ResponseHeaderSettings(Section):
    """The header fields in which applications are told who somebody is."""

    user: HeaderName = "Remote-User"
    email: HeaderName = "Remote-Email"
    name: HeaderName = "Remote-Name"
    groups: HeaderName = "Remote-Groups"


class Settings(Section):
    """The whole configuration."""

    public_url: Annotated[
        PublicUrl, PlainValidator(_parsed(_public_url)), WithJsonSchema({"type": "string", "format": "uri"}), _AS_TEXT
    ]
    account_id_: Annotated[Text, AfterValidator(_account_id)] | None = Field(default=None, alias="account_id")
    listen: ListenSettings = ListenSettings()
    workers: Annotated[Count, Field(ge=1, le=MAX_WORKERS)] = 1
    trusted_proxies: tuple[ProxyNetwork, ...] = (ip_network("127.0.0.1/32"), ip_network("::1/128"))
    proxy_secret: ProxySecret | None = None
    storage: StorageSettings = StorageSettings()
    mail: MailSettings | None = None
    identity: IdentitySettings = IdentitySettings()
    identity_headers: ResponseHeaderSettings = ResponseHeaderSettings()
    webauthn: WebAuthnSettings = WebAuthnSettings()
    audit: AuditSettings = AuditSettings()
    signing_algorithm: SigningAlgorithm = SigningAlgorithm.ES256
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    access: AccessShapes = AccessShapes()

    @property
    def account_id(self) -> str:
        """The account: 32 hexadecimal digits, made from the public URL unless given."""
        return self.account_id_ or hashlib.sha256(self.portal_origin.encode()).hexdigest()[:32]

    @property
    def manages_access(self) -> bool:
        """Whether the file (or the environment) has an `access` part: then that alone says what is managed."""
        return "access" in self.model_fields_set

    @property
    def portal_host(self) -> str:
        """The portal's host without a port: the relying party ID."""
        return self.public_url.host

    @property
    def portal_origin(self) -> str:
        """The portal's origin, as `https://mfa.example.com`."""
        return str(self.public_url)

    @property
    def secure(self) -> bool:
        """Whether browsers come by HTTPS, so that cookies are `Secure` and `__Host-`."""
        return self.public_url.scheme == "https"

    def application_origin(self, host: str) -> str:
        """Give the origin of an application's host: the portal's scheme and port."""
        return self.public_url.origin(host)
