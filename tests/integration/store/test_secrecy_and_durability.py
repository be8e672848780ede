"""Secrets are nowhere in clear, and what was acknowledged outlives restarts, emptied Redis and kill -9."""

from __future__ import annotations

import asyncio
import base64
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from secondgate.errors import TooManyAttempts, Unavailable
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.keys import SigningAlgorithm, SigningKey
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from secondgate.model.secret import Secret
from secondgate.store.opening import KEY_FILE, SQLITE_FILE, Opened, open_durable
from secondgate.store.ports import AttemptLimits, Kind
from secondgate.store.redis import RedisLiveStore, connect_redis

NOW = 1_800_000_000
SEED = bytes(range(0x41, 0x55))
PRIVATE_KEY = b"PRIVATE-KEY-IN-PKCS8-DER" * 3
CLIENT_SECRET = "client-secret-of-ours-at-a-provider"
PROVIDER_KEY = "-----BEGIN PRIVATE KEY-----\nPEM-OF-OURS-AT-A-PROVIDER\n-----END PRIVATE KEY-----\n"
PROVIDER_SECRETS = (CLIENT_SECRET.encode(), b"PEM-OF-OURS-AT-A-PROVIDER")
PROVIDER = AccessObject(
    ObjectKind.IDENTITY_PROVIDER,
    "provider",
    {
        "name": "Corporate",
        "type": "oidc",
        "config": {"client_secret": CLIENT_SECRET, "client_private_key": PROVIDER_KEY},
    },
    NOW,
    NOW,
)


async def enrolled(data_dir: Path, database_url: str) -> Opened:
    opened = await open_durable(data_dir=data_dir, database_url=database_url, now=NOW)
    await opened.durable.find_or_create_person(new_id="ada", email="ada@example.com", name="Ada", now=NOW)
    totp = Authenticator("t1", "ada", Method.TOTP, "phone", NOW)
    await opened.durable.add_authenticator(totp, totp_seed=Secret(SEED), only_as_first=True)
    key = SigningKey("k", SigningAlgorithm.ES256, Secret(PRIVATE_KEY), "certificate", NOW)
    await opened.durable.add_signing_key(key)
    group = AccessObject(ObjectKind.GROUP, "group", {"name": "staff"}, NOW, NOW)
    assert await opened.durable.replace_access_objects(expected_version=0, saved=[PROVIDER, group])
    return opened


def forms(secret: bytes) -> tuple[bytes, ...]:
    """Give how a secret might be written; base64 in each of the three places in which it can begin."""
    in_base64 = (base64.b64encode(b"x" * lead + secret)[4 if lead else 0 :][:-4].strip(b"=") for lead in range(3))
    return (secret, secret.hex().encode(), *in_base64)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def shown_to_others(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.stat().st_mode & 0o077]


@pytest.mark.case(41)
async def test_seed_and_signing_key_are_nowhere_in_clear_in_files(tmp_path: Path) -> None:
    opened = await enrolled(tmp_path, "")
    while_open = contents(tmp_path)
    assert len(while_open[f"{SQLITE_FILE}-wal"]) > 0
    await opened.durable.close()
    for files in (while_open, contents(tmp_path)):
        assert b"ada@example.com" in b"".join(files.values())
        assert b"staff" in b"".join(files.values())
        for content in files.values():
            for secret in (SEED, PRIVATE_KEY[:24], *PROVIDER_SECRETS):
                assert not [form for form in forms(secret) if form in content or form in content.lower()]
    assert not shown_to_others(tmp_path)


@pytest.mark.case(41)
async def test_seed_and_signing_key_are_nowhere_in_clear_in_postgresql(tmp_path: Path, postgres_url: str) -> None:
    opened = await enrolled(tmp_path, postgres_url)
    for dumping, wanted in (
        ("SELECT authenticators::text FROM authenticators", b"phone"),
        ("SELECT signing_keys::text FROM signing_keys", b"certificate"),
        ("SELECT access_objects::text FROM access_objects", b"staff"),
    ):
        async with opened.database.reading() as connection:
            rows = await connection.execute(text(dumping))
            dump = "".join(rows.scalars()).encode()
        assert wanted in dump
        for secret in (SEED, PRIVATE_KEY[:24], *PROVIDER_SECRETS):
            assert not [form for form in forms(secret) if form in dump]
    await opened.durable.close()


async def test_a_sealed_seed_moved_to_another_person_does_not_open(tmp_path: Path, database_url: str) -> None:
    opened = await enrolled(tmp_path, database_url)
    await opened.durable.find_or_create_person(new_id="eve", email="eve@example.com", name="", now=NOW)
    totp = Authenticator("t2", "eve", Method.TOTP, "phone", NOW)
    await opened.durable.add_authenticator(totp, totp_seed=Secret(b"known to eve"), only_as_first=True)
    async with opened.database.writing() as connection:
        moved = (
            "UPDATE authenticators SET sealed_totp_seed = (SELECT sealed_totp_seed FROM authenticators WHERE id='t2')"
        )
        await connection.execute(text(moved))
    loaded = await opened.durable.load_totp("eve")
    assert loaded is not None
    with pytest.raises(Exception, match="does not open"):
        await opened.durable.load_totp("ada")
    await opened.durable.close()


async def test_a_sealed_identity_provider_opens_after_a_restart_and_in_no_other_place(
    tmp_path: Path, database_url: str
) -> None:
    await (await enrolled(tmp_path, database_url)).durable.close()
    opened = await open_durable(data_dir=tmp_path, database_url=database_url, now=NOW)
    assert PROVIDER in (await opened.durable.load_access_objects()).objects
    async with opened.database.writing() as connection:
        await connection.execute(text("UPDATE access_objects SET id = 'moved' WHERE id = 'provider'"))
    with pytest.raises(Unavailable, match="does not open"):
        await opened.durable.load_access_objects()
    await opened.durable.close()


@pytest.mark.case(34, 37)
async def test_used_steps_and_wrong_codes_survive_a_restart_and_an_emptied_redis(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    opened = await enrolled(tmp_path, database_url)
    client = connect_redis(redis_url.rpartition("/")[0] + "/9")
    live = RedisLiveStore(client)
    await live.save(Kind.LOGIN, "k", b"v", ttl_s=60, owner="ada")
    assert await opened.durable.claim_totp_step("t1", step=1000, now=NOW)
    for number in range(5):
        await opened.durable.claim_attempt(
            person_id="ada", address="192.0.2.1", limits=AttemptLimits(), now=NOW + number
        )
    await opened.durable.close()
    await client.flushdb()
    assert await live.load(Kind.LOGIN, "k") is None
    await live.close()

    opened = await open_durable(data_dir=tmp_path, database_url=database_url, now=NOW + 6)
    assert not await opened.durable.claim_totp_step("t1", step=1000, now=NOW + 6)
    assert not await opened.durable.claim_totp_step("t1", step=999, now=NOW + 6)
    with pytest.raises(TooManyAttempts) as refused:
        await opened.durable.claim_attempt(person_id="ada", address="", limits=AttemptLimits(), now=NOW + 6)
    assert refused.value.resets_in_s == 294
    await opened.durable.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from secondgate.model.audit import AuditEvent
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from secondgate.model.secret import Secret
from secondgate.store.opening import open_durable

async def main(folder, database_url, run):
    opened = await open_durable(data_dir=Path(folder), database_url=database_url, now=1)
    print("open", flush=True)
    async def write(worker):
        number = 0
        while True:
            name = f"{run}-{worker}-{number}"
            await opened.durable.find_or_create_person(new_id=name, email=f"{name}@example.com", name="", now=1)
            await opened.durable.add_authenticator(
                Authenticator(name, name, Method.TOTP, "phone", 1), totp_seed=Secret(name.encode()), only_as_first=True)
            await opened.durable.claim_totp_step(name, step=100, now=1)
            print(name, flush=True)
            number += 1
    await asyncio.gather(*(write(worker) for worker in range(4)))

asyncio.run(main(*sys.argv[1:]))
"""


def writer(folder: Path, database_url: str, run: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(folder), database_url, str(run)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - the program above, in a process of its own


def killed_writer(folder: Path, database_url: str, run: int, life_s: float) -> list[str]:
    """Run a writer, kill it, and give what it had acknowledged."""
    with writer(folder, database_url, run) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        time.sleep(life_s)
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().decode().splitlines(keepends=True)
    return [line.strip() for line in lines if line.endswith("\n")]


def killed_first_start(folder: Path, life_s: float) -> None:
    """Run a writer and kill it `life_s` seconds after its folder appeared."""
    with writer(folder, "", 0) as process:
        while not folder.exists():
            time.sleep(0.001)
        time.sleep(life_s)
        process.send_signal(signal.SIGKILL)


@pytest.mark.case(83)
async def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path, database_url: str) -> None:
    dice = random.Random(83)  # noqa: S311 - only when to kill
    acknowledged: list[str] = []
    await (await open_durable(data_dir=tmp_path, database_url=database_url, now=NOW)).durable.close()
    for run in range(5):
        life_s = dice.uniform(0.05, 0.4)
        acknowledged += await asyncio.to_thread(killed_writer, tmp_path, database_url, run, life_s)
        opened = await open_durable(data_dir=tmp_path, database_url=database_url, now=NOW)
        for name in acknowledged:
            loaded = await opened.durable.load_totp(name)
            assert loaded is not None
            assert loaded[1].reveal() == name.encode()
            assert not await opened.durable.claim_totp_step(name, step=100, now=NOW)
        await opened.durable.close()
    assert len(acknowledged) > 20


@pytest.mark.case(83)
async def test_a_first_start_that_is_killed_is_taken_up_again(tmp_path: Path) -> None:
    dice = random.Random(88)  # noqa: S311 - only when to kill
    for run in range(8):
        folder = tmp_path / str(run)
        await asyncio.to_thread(killed_first_start, folder, dice.uniform(0, 0.08))
        await (await open_durable(data_dir=folder, now=NOW)).durable.close()
        assert (folder / KEY_FILE).exists()
        check = sqlite3.connect(folder / SQLITE_FILE)
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        check.close()
