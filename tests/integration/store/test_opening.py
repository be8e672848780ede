"""Starting is refused wherever it would open doors; a first start survives a crash at any point."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from secondgate.errors import InvalidConfiguration, StartRefused, Unavailable
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from secondgate.model.secret import Secret
from secondgate.store import opening
from secondgate.store.opening import KEY_FILE, SQLITE_FILE, Opened, open_durable
from secondgate.store.sql.database import Database

NOW = 1_800_000_000

pytestmark = [pytest.mark.case(88)]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def start(data_dir: Path, database_url: str) -> Opened:
    return await open_durable(data_dir=data_dir, database_url=database_url, now=NOW)


async def use(data_dir: Path, database_url: str) -> None:
    """Start, enrol somebody, stop."""
    opened = await start(data_dir, database_url)
    await opened.durable.find_or_create_person(new_id="ada", email="ada@example.com", name="", now=NOW)
    totp = Authenticator("t1", "ada", Method.TOTP, "phone", NOW)
    await opened.durable.add_authenticator(totp, totp_seed=Secret(b"seed"), only_as_first=True)
    await opened.durable.close()


async def refused(data_dir: Path, database_url: str) -> str:
    with pytest.raises(StartRefused) as refusal:
        await start(data_dir, database_url)
    return str(refusal.value)


async def seed_of_ada(data_dir: Path, database_url: str) -> bytes:
    opened = await start(data_dir, database_url)
    loaded = await opened.durable.load_totp("ada")
    await opened.durable.close()
    assert loaded is not None
    return loaded[1].reveal()


async def test_a_first_start_makes_key_and_database_for_the_owner_alone(tmp_path: Path, database_url: str) -> None:
    data_dir = tmp_path / "var" / "data"
    await use(data_dir, database_url)
    assert {path.name for path in data_dir.iterdir()} == {KEY_FILE} | ({SQLITE_FILE} if not database_url else set())
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in data_dir.iterdir())
    assert len((data_dir / KEY_FILE).read_text().strip()) == 43


async def test_a_second_start_finds_everything_and_the_same_key(tmp_path: Path, database_url: str) -> None:
    await use(tmp_path, database_url)
    key = (tmp_path / KEY_FILE).read_bytes()
    first = await start(tmp_path, database_url)
    await first.durable.close()
    assert await seed_of_ada(tmp_path, database_url) == b"seed"
    assert (tmp_path / KEY_FILE).read_bytes() == key
    second = await start(tmp_path, database_url)
    assert second.instance_id == first.instance_id
    assert second.sealer.derive("csrf") == first.sealer.derive("csrf")
    await second.durable.close()


async def test_a_lost_key_is_never_replaced(tmp_path: Path, database_url: str) -> None:
    await use(tmp_path, database_url)
    kept = (tmp_path / KEY_FILE).rename(tmp_path / "elsewhere")
    message = await refused(tmp_path, database_url)
    assert str(tmp_path / KEY_FILE) in message
    assert "copy sealing.key from the first one" in message
    assert not (tmp_path / KEY_FILE).exists()
    kept.rename(tmp_path / KEY_FILE)
    assert await seed_of_ada(tmp_path, database_url) == b"seed"


async def test_a_wrong_key_is_refused(tmp_path: Path, database_url: str) -> None:
    await use(tmp_path / "a", database_url)
    await use(tmp_path / "b", "")
    shutil.copy(tmp_path / "b" / KEY_FILE, tmp_path / "a" / KEY_FILE)
    assert "is not the one" in await refused(tmp_path / "a", database_url)


@pytest.mark.parametrize("content", [b"", b"short\n", b"!" * 43, b"A" * 43 + b"\n" + b"A" * 43, b"\xff" * 32])
async def test_a_damaged_key_is_refused_and_left(tmp_path: Path, content: bytes) -> None:
    await use(tmp_path, "")
    (tmp_path / KEY_FILE).write_bytes(content)
    assert "holds no sealing key" in await refused(tmp_path, "")
    assert (tmp_path / KEY_FILE).read_bytes() == content


async def test_a_missing_database_is_never_made_anew(tmp_path: Path) -> None:
    await use(tmp_path, "")
    (tmp_path / SQLITE_FILE).unlink()
    message = await refused(tmp_path, "")
    assert str(tmp_path / SQLITE_FILE) in message
    assert "restore it from a backup" in message
    assert not (tmp_path / SQLITE_FILE).exists()


async def test_an_emptied_database_is_refused(tmp_path: Path, database_url: str) -> None:
    await use(tmp_path, database_url)
    if database_url:
        database = Database(database_url)
        async with database.writing() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
        await database.close()
    else:
        (tmp_path / SQLITE_FILE).write_bytes(b"")
    assert "is empty or missing" in await refused(tmp_path, database_url)
    assert "is empty or missing" in await refused(tmp_path, database_url)


async def test_people_without_the_instances_row_are_refused_with_and_without_key(
    tmp_path: Path, database_url: str
) -> None:
    await use(tmp_path, database_url)
    database = (await start(tmp_path, database_url)).database
    async with database.writing() as connection:
        await connection.execute(text("DELETE FROM instance"))
    await database.close()
    assert "damaged" in await refused(tmp_path, database_url)
    (tmp_path / KEY_FILE).unlink()
    assert "damaged" in await refused(tmp_path, database_url)


@pytest.mark.parametrize("damage", [b"not a database at all, but text " * 200, b"\0" * 8192])
async def test_a_corrupt_file_is_refused_and_left_as_it_is(tmp_path: Path, damage: bytes) -> None:
    await use(tmp_path, "")
    (tmp_path / SQLITE_FILE).write_bytes(damage)
    assert "is damaged" in await refused(tmp_path, "")
    assert (tmp_path / SQLITE_FILE).read_bytes() == damage


async def test_damage_in_the_middle_of_the_file_is_refused(tmp_path: Path) -> None:
    await use(tmp_path, "")
    path = tmp_path / SQLITE_FILE
    content = bytearray(path.read_bytes())
    content[4096 : len(content) - 4096] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    assert "is damaged" in await refused(tmp_path, "")


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path, database_url: str) -> None:
    await use(tmp_path, database_url)
    database = (await start(tmp_path, database_url)).database
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    assert "newer version" in await refused(tmp_path, database_url)


async def test_a_database_that_cannot_be_reached_is_unavailable_and_makes_no_key(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await start(tmp_path, "postgresql://nobody:secret@127.0.0.1:1/x")
    assert not names(tmp_path)


async def test_another_sort_of_url_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration):
        await start(tmp_path, "mysql://localhost/x")


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be used" in await refused(tmp_path / "file" / "data", "")


class CrashError(BaseException):
    """The process ends here."""


def crashing(step: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    def crash(*args: object, **named: object) -> None:
        if after:
            step(*args, **named)
        raise CrashError

    return crash


def crashing_async(step: Callable[..., Coroutine[Any, Any, object]], *, after: bool) -> Callable[..., Any]:
    async def crash(*args: object) -> None:
        if after:
            await step(*args)
        raise CrashError

    return crash


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", ["save_key", "create_sqlite_file", "migrate_database", "_keep_new_key"])
async def test_a_first_start_that_crashed_is_taken_up_again(
    tmp_path: Path, step: str, *, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = opening._Opening if step.startswith("_") else opening
    make_crash = crashing_async if step == "migrate_database" else crashing
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, make_crash(getattr(owner, step), after=after))
        with pytest.raises(CrashError):
            await start(tmp_path, "")
    await use(tmp_path, "")
    assert await seed_of_ada(tmp_path, "") == b"seed"
    assert not (tmp_path / f"{KEY_FILE}.new").exists()


async def test_a_half_written_new_key_is_made_again(tmp_path: Path) -> None:
    (tmp_path / f"{KEY_FILE}.new").write_bytes(b"AAAA")
    await use(tmp_path, "")
    assert await seed_of_ada(tmp_path, "") == b"seed"


async def test_a_new_key_that_does_not_fit_is_no_way_in(tmp_path: Path, database_url: str) -> None:
    await use(tmp_path / "a", database_url)
    await use(tmp_path / "b", "")
    (tmp_path / "a" / KEY_FILE).unlink()
    shutil.copy(tmp_path / "b" / KEY_FILE, tmp_path / "a" / f"{KEY_FILE}.new")
    assert "is missing" in await refused(tmp_path / "a", database_url)
    (tmp_path / "a" / f"{KEY_FILE}.new").write_bytes(b"AAAA")
    assert "is missing" in await refused(tmp_path / "a", database_url)


async def test_several_processes_of_one_machine_may_start_at_once(tmp_path: Path, database_url: str) -> None:
    started = await asyncio.gather(*(start(tmp_path, database_url) for _ in range(4)))
    assert len({opened.instance_id for opened in started}) == 1
    for opened in started:
        await opened.durable.close()


async def test_of_several_first_replicas_one_makes_the_key_and_the_others_ask_for_it(
    tmp_path: Path, postgres_url: str
) -> None:
    folders = [tmp_path / name for name in ("a", "b", "c")]
    results = await asyncio.gather(*(start(folder, postgres_url) for folder in folders), return_exceptions=True)
    opened = [result for result in results if isinstance(result, Opened)]
    assert len(opened) == 1
    messages = [str(result) for result in results if isinstance(result, StartRefused)]
    assert len(messages) == 2
    assert all("copy sealing.key from the first one" in message for message in messages)
    first = next(folder for folder in folders if (folder / KEY_FILE).exists())
    for folder in set(folders) - {first}:
        assert not names(folder)
        shutil.copy(first / KEY_FILE, folder / KEY_FILE)
        replica = await start(folder, postgres_url)
        assert replica.instance_id == opened[0].instance_id
        await replica.durable.close()
    await opened[0].durable.close()
