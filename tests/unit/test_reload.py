"""The configuration file is watched: a change is taken as one step, a bad file changes nothing and says why once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from secondgate.administration.managed import ManagedAccess
from secondgate.config import load
from secondgate.model.access_object import ObjectKind
from secondgate.reload import Reload

START = 1_800_000_000
EVERYONE = [{"name": "all", "decision": "bypass", "include": [{"everyone": {}}]}]


def application(name: str) -> dict[str, Any]:
    return {"name": name, "domain": f"{name.lower()}.example.com", "policies": EVERYONE}


@dataclass
class Watched:
    """A configuration file that is watched, and what came of it."""

    file: Path
    managed: ManagedAccess = field(init=False)
    reload: Reload = field(init=False)
    renewals: int = 0
    now: float = START

    def start(self) -> None:
        """Read the file as the process does at its start."""
        settings = load(self.file, {})
        self.managed = ManagedAccess(account_id=settings.account_id)
        if settings.manages_access:
            self.managed.manage_by_file(settings.access, file=str(self.file), now=int(self.now))
        self.reload = Reload(
            self.managed, (str(self.file), {}), settings, renewed=self._renewed, clock=lambda: self.now
        )

    def _renewed(self) -> None:
        self.renewals += 1

    def change(self, how: Callable[[dict[str, Any]], None]) -> None:
        """Write the file anew."""
        configuration = json.loads(self.file.read_text())
        how(configuration)
        self.file.write_text(json.dumps(configuration))

    def add(self, name: str) -> None:
        """Add an application."""
        self.change(lambda configuration: configuration["access"]["applications"].append(application(name)))

    def spoil(self, name: str) -> None:
        """Add an application that makes no sense, in the place of one that was added before."""
        self.change(
            lambda configuration: configuration["access"].update(
                applications=[application("Wiki"), {"name": name, "domain": "no domain"}]
            )
        )

    async def looks(self, count: int = 3) -> list[Any]:
        """Look a few times, and give what was logged."""
        with capture_logs() as logs:
            for _ in range(count):
                await self.reload.look()
        return list(logs)

    @property
    def names(self) -> list[str]:
        """The names of the applications that are there now."""
        return [one.name for one in self.managed().applications]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    file = tmp_path / "secondgate.yaml"
    file.write_text(
        json.dumps(
            {
                "public_url": "https://mfa.example.com",
                "access": {"organization": {"name": "Example"}, "applications": [application("Wiki")]},
            }
        )
    )
    found = Watched(file)
    found.start()
    return found


async def test_a_file_that_stays_as_it_is_is_read_once_and_says_nothing(watched: Watched) -> None:
    before = watched.managed()
    assert await watched.looks(9) == []
    assert watched.managed() is before
    assert watched.renewals == 0


async def test_what_changed_between_the_start_and_the_first_look_is_found(watched: Watched) -> None:
    watched.add("New")
    assert [line["event"] for line in await watched.looks()] == ["reload.done"]
    assert watched.names == ["Wiki", "New"]


async def test_a_change_is_taken_by_itself_when_the_file_stayed_the_same_from_one_look_to_the_next(
    watched: Watched,
) -> None:
    await watched.looks()
    watched.add("One")
    assert await watched.looks(1) == []
    watched.add("Two")
    assert await watched.looks(1) == []
    assert watched.names == ["Wiki"]
    assert [line["event"] for line in await watched.looks(1)] == ["reload.done"]
    assert watched.names == ["Wiki", "One", "Two"]
    assert watched.renewals == 1
    assert await watched.looks() == []


async def test_a_file_that_is_half_written_for_a_moment_takes_nothing_away(watched: Watched) -> None:
    watched.add("New")
    await watched.looks()
    whole = watched.file.read_text()
    watched.file.write_text('{"public_url": "https://mfa.example.com", "access": {"applications": []}}')
    assert await watched.looks(1) == []
    watched.file.write_text(whole)
    assert await watched.looks() == []
    assert watched.names == ["Wiki", "New"]


async def test_a_file_that_is_put_in_the_place_of_the_old_one_is_taken_whatever_its_times_say(watched: Watched) -> None:
    await watched.looks()
    status = watched.file.stat()
    new = watched.file.with_suffix(".new")
    new.write_text(watched.file.read_text().replace("Wiki", "Wika"))
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(watched.file)
    await watched.looks()
    assert watched.names == ["Wika"]


async def test_a_mounted_config_map_is_taken_when_its_links_are_turned(watched: Watched, tmp_path: Path) -> None:
    def publish(version: str, text: str) -> None:
        """Do as the kubelet does: a folder of its own for each version, `..data` turned in one step."""
        (tmp_path / version).mkdir()
        (tmp_path / version / "secondgate.yaml").write_text(text)
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    text = watched.file.read_text()
    publish("..2026_1", text)
    watched.file.unlink()
    watched.file.symlink_to("..data/secondgate.yaml")
    watched.start()
    await watched.looks()
    publish("..2026_2", text.replace("Wiki", "News"))
    assert [line["event"] for line in await watched.looks()] == ["reload.done"]
    assert watched.names == ["News"]


@pytest.mark.case(92)
async def test_a_bad_file_changes_nothing_and_the_log_names_each_problem_with_its_place_once(watched: Watched) -> None:
    await watched.looks()
    before, documents = watched.managed(), watched.managed.documents
    watched.spoil("Bad")
    (line,) = await watched.looks(5)
    assert (line["event"], line["log_level"]) == ("reload.refused", "error")
    assert line["problems"]
    for problem in line["problems"]:
        assert problem.startswith(f"{watched.file}:1:")
        assert "access.applications[1]" in problem
    assert watched.managed() is before
    assert watched.managed.documents is documents
    watched.file.touch()
    assert await watched.looks() == []
    watched.spoil("Bad")
    assert await watched.looks() == []
    watched.spoil("Another")
    watched.change(lambda configuration: configuration["access"]["applications"][1].update(policies=[{"name": "x"}]))
    assert [line["event"] for line in await watched.looks()] == ["reload.refused"]
    assert watched.managed() is before
    assert watched.renewals == 0


@pytest.mark.case(92)
async def test_whoever_asks_with_a_bad_file_is_told_each_time(watched: Watched) -> None:
    watched.spoil("Bad")
    with capture_logs() as logs:
        watched.reload.now()
        watched.reload.now()
    assert [line["event"] for line in logs] == ["reload.refused", "reload.refused"]
    assert await watched.looks() == []


@pytest.mark.case(92)
async def test_a_file_that_is_gone_changes_nothing_is_told_once_and_is_taken_when_it_is_back(watched: Watched) -> None:
    await watched.looks()
    text = watched.file.read_text()
    watched.file.unlink()
    (line,) = await watched.looks(5)
    assert (line["event"], watched.names) == ("reload.refused", ["Wiki"])
    assert str(watched.file) in line["problems"][0]
    watched.file.write_text(text)
    assert [line["event"] for line in await watched.looks(5)] == ["reload.done"]
    watched.file.unlink()
    assert [line["event"] for line in await watched.looks()] == ["reload.refused"]


async def test_a_repaired_file_is_told_though_it_says_what_was_taken_before(watched: Watched) -> None:
    await watched.looks()
    text = watched.file.read_text()
    watched.spoil("Bad")
    await watched.looks()
    watched.file.write_text(text)
    assert [line["event"] for line in await watched.looks()] == ["reload.done"]
    watched.spoil("Bad")
    assert [line["event"] for line in await watched.looks()] == ["reload.refused"]


async def test_what_needs_a_restart_is_told_once(watched: Watched) -> None:
    watched.change(lambda configuration: configuration.update(log_level="error", workers=1))
    refused, done = await watched.looks(5)
    assert (refused["event"], refused["settings"]) == ("reload.needs_restart", ["log_level"])
    assert done["event"] == "reload.done"
    watched.file.touch()
    assert await watched.looks() == []


async def test_a_file_that_loses_its_access_part_takes_nothing_away_until_the_restart(watched: Watched) -> None:
    watched.change(lambda configuration: configuration.pop("access"))
    told = await watched.looks()
    assert told[0]["settings"] == ["access"]
    assert (watched.names, watched.managed.file) == (["Wiki"], str(watched.file))


async def test_a_file_that_gains_an_access_part_manages_nothing_until_the_restart(watched: Watched) -> None:
    text = watched.file.read_text()
    watched.change(lambda configuration: configuration.pop("access"))
    watched.start()
    await watched.looks()
    watched.file.write_text(text)
    told = await watched.looks()
    assert told[0]["settings"] == ["access"]
    assert (watched.names, watched.managed.file) == ([], "")


async def test_an_object_is_as_old_as_its_first_mention_and_as_new_as_its_last_change(watched: Watched) -> None:
    await watched.looks()
    watched.now += 60
    watched.add("New")
    await watched.looks()
    watched.now += 60
    watched.change(lambda configuration: configuration["access"]["applications"][0].update(session_duration="1h"))
    await watched.looks()
    times = {
        str(one.document["name"]): (one.created_at - START, one.updated_at - START)
        for one in watched.managed.documents.of(ObjectKind.APPLICATION)
    }
    assert times == {"Wiki": (0, 120), "New": (60, 60)}


async def test_what_was_asked_for_while_an_older_file_was_read_is_not_undone(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watched.looks()
    watched.add("Older")

    async def read_slowly(read: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - whatever it reads
        found = read(*arguments)
        watched.add("Newer")
        watched.reload.now()
        return found

    monkeypatch.setattr("secondgate.reload.asyncio.to_thread", read_slowly)
    await watched.looks(2)
    assert watched.names == ["Wiki", "Older", "Newer"]
