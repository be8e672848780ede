"""URLs that say where Redis is: one server, servers that Sentinel watches over, or a cluster.

`redis`, `rediss` and `unix` are read as https://www.iana.org/assignments/uri-schemes/prov/redis and redis-py read them;
the others name several nodes, separated by commas, of which any that answers is enough:

    redis[s]://[user:password@]host[:6379][/database]
    unix://[user:password@]/path[?db=database]
    redis[s]+sentinel://[user:password@]host[:26379],…[/service[/database]][?sentinel_username=…&sentinel_password=…]
    redis[s]+cluster://[user:password@]host[:6379],…

With TLS the parameters `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile` (paths), `ssl_cert_reqs` and `ssl_check_hostname`
may follow. What else redis-py would take, such as time-outs, is not for operators to set. Nothing is connected here,
and no message shows a part of the URL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

from secondgate.errors import Malformed

DEFAULT_SERVICE = "mymaster"
_REDIS_PORT = 6379
_SENTINEL_PORT = 26379
_URL = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<username>[^:@/?#\s]*)(?::(?P<password>[^/?#\s]*))?@)?"
    r"(?P<nodes>[^@/?#\s]*)(?P<path>/[^?#\s]*)?(?:\?(?P<query>[^#\s]*))?"
)
_NODE = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_DATABASE = re.compile(r"[0-9]{1,5}", re.ASCII)
_SERVICE = re.compile(r"/(?P<service>[A-Za-z0-9._-]{1,200})?(?:/(?P<database>[0-9]{1,5})?)?", re.ASCII)
_SENTINEL_PARAMETERS = frozenset({"sentinel_username", "sentinel_password"})
_UNIX_PARAMETERS = frozenset({"username", "password"})
_PATHS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_WORDS: Mapping[str, Mapping[str, str | bool]] = {
    "ssl_cert_reqs": {"required": "required", "optional": "optional", "none": "none"},
    "ssl_check_hostname": {"true": True, "yes": True, "false": False, "no": False},
}


class Topology(StrEnum):
    """How the servers belong together."""

    STANDALONE = "standalone"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class _Scheme:
    topology: Topology
    tls: bool = False
    port: int = _REDIS_PORT


_SCHEMES = {
    "redis": _Scheme(Topology.STANDALONE),
    "rediss": _Scheme(Topology.STANDALONE, tls=True),
    "unix": _Scheme(Topology.STANDALONE),
    "redis+sentinel": _Scheme(Topology.SENTINEL, port=_SENTINEL_PORT),
    "rediss+sentinel": _Scheme(Topology.SENTINEL, tls=True, port=_SENTINEL_PORT),
    "redis+cluster": _Scheme(Topology.CLUSTER),
    "rediss+cluster": _Scheme(Topology.CLUSTER, tls=True),
}
SCHEMES = tuple(f"{name}://" for name in _SCHEMES)
"""What a URL may begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """Where Redis is. `nodes` are hosts and ports: the server's own, the Sentinels', or some of the cluster's.

    `path` is a socket's, and then there are no nodes. `tls_options` are redis-py's, by name.
    """

    topology: Topology
    nodes: tuple[tuple[str, int], ...]
    path: str = ""
    tls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    service: str = ""
    sentinel_username: str = ""
    sentinel_password: str = field(default="", repr=False)
    tls_options: Mapping[str, str | bool] = field(default_factory=lambda: MappingProxyType({}))


def parse_redis_url(text: str, *, field: str = "storage.redis") -> RedisUrl:
    """Read a URL. Raises Malformed, which says what is allowed and shows nothing of the URL."""
    found = _URL.fullmatch(text)
    scheme = _SCHEMES.get(found["scheme"]) if found else None
    if found is None or scheme is None:
        raise Malformed(field, f"must be empty (embedded) or a URL that begins with {', '.join(SCHEMES)}")
    parameters = _parameters(found["query"] or "", found["scheme"], scheme, field)
    path = found["path"] or ""
    if found["scheme"] == "unix":
        if found["nodes"] or len(path) == 1 or not path:
            raise Malformed(field, "must name the socket's absolute path, as unix:///run/redis/redis.sock")
        nodes: tuple[tuple[str, int], ...] = ()
        service, database = "", ""
    else:
        nodes = _nodes(found["nodes"], scheme, field)
        service, database = _place(path, scheme, field)
        path = ""
    return RedisUrl(
        topology=scheme.topology,
        nodes=nodes,
        path=unquote(path),
        tls=scheme.tls,
        username=parameters.get("username") or unquote(found["username"] or ""),
        password=parameters.get("password") or unquote(found["password"] or ""),
        database=_database(parameters.get("db", database), field),
        service=service,
        sentinel_username=parameters.get("sentinel_username", ""),
        sentinel_password=parameters.get("sentinel_password", ""),
        tls_options=MappingProxyType(
            {
                name: _WORDS[name][value] if name in _WORDS else value
                for name, value in parameters.items()
                if name in _PATHS or name in _WORDS
            }
        ),
    )


def _nodes(text: str, scheme: _Scheme, field: str) -> tuple[tuple[str, int], ...]:
    if not text and scheme.topology is Topology.STANDALONE:
        return (("localhost", scheme.port),)
    nodes = []
    for part in text.split(","):
        node = _NODE.fullmatch(part)
        port = int(node["port"] or scheme.port) if node else 0
        if node is None or not 0 < port < 65536:  # noqa: PLR2004 - ports have 16 bits
            raise Malformed(field, "must name each node as host or host:port, separated by commas")
        nodes.append((node["host"].strip("[]"), port))
    if scheme.topology is Topology.STANDALONE and len(nodes) > 1:
        raise Malformed(field, "must name one server; several are for redis+sentinel:// and redis+cluster://")
    return tuple(nodes)


def _place(path: str, scheme: _Scheme, field: str) -> tuple[str, str]:
    """Give the service and the database that a path names."""
    if scheme.topology is Topology.SENTINEL:
        place = _SERVICE.fullmatch(path or "/")
        if place is None:
            raise Malformed(field, "must end with the name of the service, as /mymaster or /mymaster/0")
        return place["service"] or DEFAULT_SERVICE, place["database"] or ""
    database = path.removeprefix("/")
    if scheme.topology is Topology.CLUSTER and database not in ("", "0"):
        raise Malformed(field, "must not name a database: a cluster has database 0 alone")
    return "", database


def _database(text: str, field: str) -> int:
    if text and not _DATABASE.fullmatch(text):
        raise Malformed(field, "must name a database by its number, as in redis://localhost/0")
    return int(text or 0)


def _parameters(query: str, name: str, scheme: _Scheme, field: str) -> dict[str, str]:
    """Read what follows the question mark; each name once, and only those that mean something here."""
    allowed = {
        "db": scheme.topology is Topology.STANDALONE,
        **dict.fromkeys(_UNIX_PARAMETERS, name == "unix"),
        **dict.fromkeys(_SENTINEL_PARAMETERS, scheme.topology is Topology.SENTINEL),
        **dict.fromkeys((*_PATHS, *_WORDS), scheme.tls),
    }
    names = sorted(parameter for parameter, is_allowed in allowed.items() if is_allowed)
    pairs = parse_qsl(query, keep_blank_values=True)
    found = dict(pairs)
    if len(found) != len(pairs) or not found.keys() <= set(names):
        raise Malformed(field, f"may have these parameters, each once: {', '.join(names) or 'none'}")
    for parameter, words in _WORDS.items():
        if parameter in found and found[parameter] not in words:
            raise Malformed(field, f"{parameter} must be one of {', '.join(words)}")
    return found
