"""URLs of Redis: alone, watched by Sentinel, a cluster."""

from __future__ import annotations

import pytest

from secondgate.errors import Malformed
from secondgate.protocol.redis_url import SCHEMES, RedisUrl, Topology, parse_redis_url


@pytest.mark.parametrize(
    ("text", "nodes", "database"),
    [
        ("redis://cache", (("cache", 6379),), 0),
        ("redis://cache/", (("cache", 6379),), 0),
        ("redis://cache:7000/3", (("cache", 7000),), 3),
        ("redis://cache?db=4", (("cache", 6379),), 4),
        ("redis://", (("localhost", 6379),), 0),
        ("redis:///2", (("localhost", 6379),), 2),
        ("redis://192.0.2.1:1/0", (("192.0.2.1", 1),), 0),
        ("redis://[2001:db8::1]:65535/0", (("2001:db8::1", 65535),), 0),
        ("redis://[::1]", (("::1", 6379),), 0),
    ],
)
def test_a_server_alone(text: str, nodes: tuple[tuple[str, int], ...], database: int) -> None:
    assert parse_redis_url(text) == RedisUrl(topology=Topology.STANDALONE, nodes=nodes, database=database)


@pytest.mark.parametrize(
    ("part", "username", "password"),
    [
        ("", "", ""),
        ("ann:secret@", "ann", "secret"),
        (":secret@", "", "secret"),
        ("ann@", "ann", ""),
        ("a%40b:s%3Ae%2Fc%23%3F@", "a@b", "s:e/c#?"),
        ("ann:s@cr@t:@", "ann", "s@cr@t:"),
    ],
)
@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+sentinel", "redis+cluster"])
def test_user_and_password(scheme: str, part: str, username: str, password: str) -> None:
    url = parse_redis_url(f"{scheme}://{part}cache")
    assert (url.username, url.password, url.nodes[0][0]) == (username, password, "cache")


def test_a_socket() -> None:
    url = parse_redis_url("unix:///run/redis%20one/redis.sock?db=2")
    assert (url.path, url.nodes, url.database, url.tls) == ("/run/redis one/redis.sock", (), 2, False)
    url = parse_redis_url("unix://ann:secret@/run/redis.sock")
    assert (url.path, url.username, url.password) == ("/run/redis.sock", "ann", "secret")
    url = parse_redis_url("unix:///run/redis.sock?username=ann&password=s%26t")
    assert (url.username, url.password) == ("ann", "s&t")


@pytest.mark.parametrize(
    ("end", "service", "database"),
    [("", "mymaster", 0), ("/", "mymaster", 0), ("/gate", "gate", 0), ("/gate/", "gate", 0), ("/gate/5", "gate", 5)],
)
def test_servers_that_sentinel_watches_over(end: str, service: str, database: int) -> None:
    url = parse_redis_url(f"redis+sentinel://ann:secret@one,two:7000,[::1]:7001{end}")
    assert url.nodes == (("one", 26379), ("two", 7000), ("::1", 7001))
    assert (url.topology, url.service, url.database, url.username) == (Topology.SENTINEL, service, database, "ann")


def test_sentinels_have_a_user_and_a_password_of_their_own() -> None:
    url = parse_redis_url("redis+sentinel://:a@one/gate?sentinel_username=watch&sentinel_password=%26b")
    assert (url.password, url.sentinel_username, url.sentinel_password) == ("a", "watch", "&b")


@pytest.mark.parametrize("end", ["", "/", "/0"])
def test_a_cluster(end: str) -> None:
    url = parse_redis_url(f"redis+cluster://one,two:7000{end}")
    assert (url.topology, url.nodes, url.database) == (Topology.CLUSTER, (("one", 6379), ("two", 7000)), 0)


@pytest.mark.parametrize("scheme", ["rediss", "rediss+sentinel", "rediss+cluster"])
def test_tls_and_what_it_trusts(scheme: str) -> None:
    url = parse_redis_url(f"{scheme}://cache?ssl_ca_certs=/etc/ca.pem&ssl_cert_reqs=none&ssl_check_hostname=no")
    assert url.tls
    assert dict(url.tls_options) == {
        "ssl_ca_certs": "/etc/ca.pem",
        "ssl_cert_reqs": "none",
        "ssl_check_hostname": False,
    }
    assert not parse_redis_url(f"{scheme}://cache").tls_options
    assert not parse_redis_url(f"{scheme.replace('rediss', 'redis')}://cache").tls


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", "begins with redis://, rediss://, unix://, redis+sentinel://"),
        ("hunter2", "begins with"),
        ("http://hunter2", "begins with"),
        ("REDIS://hunter2", "begins with"),
        ("redis://hunter2 ", "begins with"),
        ("redis://hun\nter2", "begins with"),
        ("redis://cache/0#hunter2", "begins with"),
        ("redis+http://hunter2", "begins with"),
        ("redis://one,two:hunter2@three:port", "host or host:port"),
        ("redis://hunter2:0", "host or host:port"),
        ("redis://hunter2:65536", "host or host:port"),
        ("redis://hünter2", "host or host:port"),
        ("redis+sentinel://:hunter2@", "host or host:port"),
        ("redis+cluster://:hunter2@one,,two", "host or host:port"),
        ("redis://:hunter2@one,two", "one server"),
        ("redis://cache/hunter2", "by its number"),
        ("redis://cache/-1", "by its number"),
        ("redis://cache/٣", "by its number"),
        ("redis://cache/0/hunter2", "by its number"),
        ("redis+sentinel://cache/gate/hunter2", "name of the service"),
        ("redis+sentinel://cache/gate/0/hunter2", "name of the service"),
        ("redis+cluster://cache/1", "a cluster has database 0 alone"),
        ("redis+cluster://cache/hunter2", "a cluster has database 0 alone"),
        ("unix://", "absolute path"),
        ("unix:///", "absolute path"),
        ("unix://hunter2/redis.sock", "absolute path"),
        ("redis://cache?hunter2=1", "these parameters, each once: db"),
        ("redis://cache?socket_timeout=60", "these parameters, each once: db"),
        ("redis://cache?db=1&db=2", "these parameters, each once: db"),
        ("redis://cache?password=hunter2", "these parameters, each once: db"),
        ("redis://cache?ssl_ca_certs=hunter2", "these parameters, each once: db"),
        ("unix:///redis.sock?hunter2", "each once: db, password, username"),
        ("redis+sentinel://cache?db=1", "each once: sentinel_password, sentinel_username"),
        ("redis+cluster://cache?db=1", "each once: none"),
        ("rediss://cache?ssl_cert_reqs=hunter2", "one of required, optional, none"),
        ("rediss://cache?ssl_check_hostname=hunter2", "one of true, yes, false, no"),
    ],
)
def test_a_problem_says_what_is_allowed_and_shows_nothing_of_the_url(text: str, allowed: str) -> None:
    with pytest.raises(Malformed) as raised:
        parse_redis_url(text)
    assert raised.value.field == "storage.redis"
    assert allowed in raised.value.detail
    assert "hunter2" not in str(raised.value)


@pytest.mark.case(97)
def test_no_password_is_shown() -> None:
    url = parse_redis_url("redis+sentinel://ann:hunter2@one/gate?sentinel_password=hunter2")
    assert "hunter2" not in repr(url)


def test_every_scheme_can_be_used() -> None:
    for scheme in SCHEMES:
        parse_redis_url(f"{scheme}/run/redis.sock" if scheme == "unix://" else f"{scheme}cache")
