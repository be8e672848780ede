"""The scalar fields that the managed objects are made of: text, names, ids, addresses, durations.

Each checks its form, says in plain words what is allowed, and keeps what was written, so that it can be shown again
as it was sent. What a field refers to is judged in `problems`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from secondgate.access.destination import parse_destination, parse_host
from secondgate.errors import Malformed
from secondgate.model.secret import Secret
from secondgate.protocol.duration import parse_duration
from secondgate.protocol.email_address import parse_email

MAX_TEXT_CHARACTERS = 2048
MAX_NAME_CHARACTERS = 350
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_AAGUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291, section 2.5.5.2
_AMR = re.compile(r"[\x21-\x7e]{1,64}")
_SEGMENT = re.compile(r"[a-z0-9-]{1,64}")


class Shape(BaseModel):
    """An object on the wire: no other keys than its own.

    `NOT_YET` names the keys that the API documents and that nothing here honours: they are refused by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    NOT_YET: ClassVar[frozenset[str]] = frozenset()


def refusal(message: str) -> PydanticCustomError:
    """Make the error whose text reaches the reader unchanged."""
    return PydanticCustomError("plain", "{message}", {"message": message})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise refusal("must be text; put it in quotes")
    if len(value) > MAX_TEXT_CHARACTERS:
        raise refusal(f"must be at most {MAX_TEXT_CHARACTERS} characters")
    if _CONTROL.search(value):
        raise refusal("must be one line of text without control characters")
    return value


def _name(value: str) -> str:
    if not value or value != value.strip():
        raise refusal("must not be empty, nor begin or end with a space")
    if len(value) > MAX_NAME_CHARACTERS:
        raise refusal(f"must be at most {MAX_NAME_CHARACTERS} characters")
    return value


def _id(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise refusal(
            "must be a UUID, as 12345678-1234-1234-1234-123456789abc; leave it out to have one made"
        ) from None


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise refusal("must be true or false")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise refusal("must be a whole number")
    return value


def _well_formed(parse: Callable[[str], object]) -> Callable[[str], str]:
    """Make a validator that keeps the text if `parse` takes it."""

    def check(value: str) -> str:
        try:
            parse(value)
        except Malformed as error:
            raise refusal(error.detail.removeprefix(f"{error.field}: ")) from None
        return value

    return check


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """Read an address or a network in CIDR form. Raises Malformed.

    IPv4 within IPv6 is refused: addresses of that form are IPv4's here, so that none would ever be in it.
    """
    try:
        network = ip_network(text)
    except ValueError as error:
        if "host bits" in str(error):
            detail = f"has bits set after its prefix; write {ip_network(text, strict=False)}"
        else:
            detail = "must be an address or a network, as 192.0.2.7 or 10.0.0.0/8"
        raise Malformed("ip", detail) from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        inner = IPv4Network((network.network_address.packed[-4:], network.prefixlen - 96))
        raise Malformed("ip", f"must be written as the IPv4 network that it is: {inner}")
    return network


def parse_aaguid(text: str) -> str:
    """Give the one form in which AAGUIDs are compared: 32 hexadecimal digits in lower case. Raises Malformed."""
    folded = text.lower()
    if not _AAGUID.fullmatch(folded):
        raise Malformed("aaguid", "must be 32 hexadecimal digits, with or without the dashes of a UUID")
    digits = folded.replace("-", "")
    if not digits.strip("0"):
        raise Malformed("aaguid", "is what authenticators send that do not say what they are: nothing could prove it")
    return digits


def parse_email_domain(text: str) -> str:
    """Read the domain of e-mail addresses. Raises Malformed."""
    if "@" in text:
        raise Malformed("domain", "must be the part after the @ alone, as example.com")
    if text.startswith("*."):
        raise Malformed("domain", "must be a whole domain without *; sub-domains are domains of their own")
    return parse_host(text)


def _duration(value: str) -> int:
    return parse_duration(value, field="duration")


def _lasting(value: str) -> str:
    if _duration(value) == 0:
        raise refusal("must be longer than 0m, or every request would ask to log in again")
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        usable = False
    if not usable or any(c.isspace() for c in value):
        raise refusal("must be a whole URL, as https://example.com/page")
    return value


def _outgoing_url(value: str) -> str:
    """Take what Secondgate itself asks: HTTPS, except on this very machine."""
    parts = urlsplit(value)
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise refusal("must begin with https://")
    if parts.query or parts.fragment:
        raise refusal("must have no query and no fragment")
    return value


def _token(value: str) -> str:
    if not value or any(not "\x21" <= c <= "\x7e" or c in '"\\' for c in value):
        raise refusal("must be one word of visible ASCII characters")
    return value


def _segment(value: str) -> str:
    if not _SEGMENT.fullmatch(value):
        raise refusal("must be 1 to 64 of a to z, 0 to 9 and -")
    return value


def _secret(value: object) -> Secret[str]:
    """Read a secret; the message never shows it."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value:
        raise refusal("must be text that is not empty; put it in quotes")
    return Secret(value)


def _amr(value: str) -> str:
    if not _AMR.fullmatch(value):
        raise refusal("must be one authentication method reference (RFC 8176), as otp or hwk")
    return value


def later(*words: str) -> BeforeValidator:
    """Make a validator that refuses by name what the API documents and nothing honours yet."""

    def check(value: object) -> object:
        if value in words:
            raise refusal(f"{value!r} is not supported by this version: nothing would honour it")
        return value

    return BeforeValidator(check)


def only(*, value: bool | str, reason: str) -> BeforeValidator:
    """Make a validator for what the API documents with several values of which one is true here; `reason` says why."""

    def check(sent: object) -> object:
        if type(sent) is not type(value) or sent != value:
            raise refusal(f"must be {str(value).lower()}: {reason}")
        return sent

    return BeforeValidator(check)


Text = Annotated[str, BeforeValidator(_text)]
Name = Annotated[Text, AfterValidator(_name)]
Id = Annotated[Text, AfterValidator(_id)]
Reference = Annotated[Name, Field(description="a name or an id")]
Flag = Annotated[bool, BeforeValidator(_flag)]
Count = Annotated[int, BeforeValidator(_count)]
Duration = Annotated[
    Text, AfterValidator(_well_formed(_duration)), Field(description="hours and minutes, as 30m, 24h; at most 720h")
]
LastingDuration = Annotated[Duration, AfterValidator(_lasting)]
Url = Annotated[Text, AfterValidator(_url)]
OutgoingUrl = Annotated[Url, AfterValidator(_outgoing_url)]
Scope = Annotated[Text, AfterValidator(_token)]
Segment = Annotated[Text, AfterValidator(_segment)]
SecretText = Annotated[
    Secret[str],
    PlainValidator(_secret),
    WithJsonSchema({"type": "string", "writeOnly": True}),
    PlainSerializer(str, return_type=str),
]
Network = Annotated[Text, AfterValidator(_well_formed(parse_network))]
EmailAddress = Annotated[Text, AfterValidator(_well_formed(parse_email))]
MailDomain = Annotated[Text, AfterValidator(_well_formed(parse_email_domain))]
Amr = Annotated[Text, AfterValidator(_amr)]
PublicAddress = Annotated[Text, AfterValidator(_well_formed(parse_destination)), Field(description="host/path")]
