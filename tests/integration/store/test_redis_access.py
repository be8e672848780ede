"""Redis behind a socket, TLS, passwords and restricted rights, as URLs say."""

from __future__ import annotations

from pathlib import Path

import pytest

from secondgate.errors import Unavailable
from secondgate.store.ports import Change, ChangeKind, Kind
from secondgate.store.redis import RedisLiveStore
from secondgate.store.redis_pool import connect_redis
from tests.e2e.certificate import make_certificate
from tests.fakes.changes import Heard
from tests.integration.conftest import redis_bench
from tests.integration.redis_servers import free_port, redis_sentinel, redis_server

SESSION = Kind.APPLICATION_SESSION


async def works(url: str) -> None:
    """Hold that records are kept, and deletions heard."""
    heard = Heard()
    async with redis_bench(url) as bench, bench.changes.listen(heard):
        await heard.until_connected()
        await bench.other.save(SESSION, "s", b"v", ttl_s=60, owner="ada")
        assert await bench.store.load(SESSION, "s") == b"v"
        assert await bench.other.delete_owned("ada", kinds=(SESSION,)) == 1
        await heard.until_heard(Change(ChangeKind.SESSION_ENDED, "s"))


async def is_refused(url: str) -> None:
    store = RedisLiveStore(connect_redis(url))
    with pytest.raises(Unavailable):
        await store.load(SESSION, "s")
    await store.close()


async def test_a_socket(tmp_path: Path) -> None:
    async with redis_server("--unixsocket", str(tmp_path / "redis.sock")) as server:
        await works(f"unix://{tmp_path}/redis.sock?db=3")
        async with server.client() as client:
            assert "db0" not in await client.info("keyspace")


async def test_tls_with_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    made = make_certificate(tmp_path, "localhost")
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", str(made.certificate))
    async with redis_server(*tls, "--tls-cert-file", str(made.certificate), "--tls-key-file", str(made.key)):
        await works(f"rediss://localhost:{port}/0?ssl_ca_certs={made.certificate}")
        await works(f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=none")
        await is_refused(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={made.certificate}")  # the name is another
        await is_refused(f"rediss://localhost:{port}/0")
        await is_refused(f"redis://localhost:{port}/0")


@pytest.mark.case(97)
async def test_passwords_of_redis_and_of_sentinel() -> None:
    async with redis_sentinel(password="hunter2") as servers:
        await works(servers.url)
        await is_refused(servers.url.replace(":hunter2@", ""))
        await is_refused(servers.url.replace("?sentinel_password=hunter2", ""))
        store = RedisLiveStore(connect_redis(servers.url.replace(":hunter2@", ":hunter3@")))
        with pytest.raises(Unavailable) as raised:
            await store.load(SESSION, "s")
        assert "hunter" not in f"{raised.value}{store._client.connection_pool!r}"
        await store.close()


async def test_a_user_with_no_more_rights_than_the_readme_names() -> None:
    async with redis_server() as server:
        async with server.client() as client:
            await client.acl_setuser(
                "gate",
                enabled=True,
                passwords=["+s@cr:et"],
                keys=["test-*"],
                channels=["test-*"],
                categories=["+@read", "+@write", "+@scripting", "+@pubsub", "+@connection"],
                commands=["+time"],
            )
        await works(f"redis://gate:s%40cr%3Aet@127.0.0.1:{server.port}/0")
        await is_refused(f"redis://gate:secret@127.0.0.1:{server.port}/0")
