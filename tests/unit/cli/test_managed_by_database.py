"""Commands where the database manages what a file would: with nothing in it, and with what the API put there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from secondgate.administration.documents import ORGANIZATION_ID
from secondgate.administration.managed import Change, ManagedAccess
from secondgate.flows.services import Services
from secondgate.model.access_object import AccessObject, ObjectKind
from tests.unit.cli.installation import ACCESS, ANN, Installation

WIKI = "https://wiki.example.com/admin"


@pytest.fixture
def managed(empty: Installation) -> Installation:
    """Give an installation whose file has no `access` part, and whose database is empty."""
    configuration = json.loads(empty.file.read_text())
    del configuration["access"]
    empty.file.write_text(json.dumps(configuration))
    return empty


async def save_everything(services: Services) -> None:
    """Manage in the database what the file of the other tests says."""
    assert isinstance(services.access, ManagedAccess)
    await _save(services.access, AccessObject(ObjectKind.ORGANIZATION, ORGANIZATION_ID, _organization(), 1, 1))
    for kind in (ObjectKind.IDENTITY_PROVIDER, ObjectKind.APPLICATION):
        documents: Any = ACCESS[kind.value]
        for document in documents:
            await _save(services.access, AccessObject(kind, services.new_id(), document, 1, 1))


def _organization() -> dict[str, Any]:
    organization: Any = ACCESS["organization"]
    return dict(organization)


async def _save(managed: ManagedAccess, one: AccessObject) -> None:
    await managed.change(lambda _: Change(one.kind, one.id, one))


def test_a_file_without_an_access_part_is_good(managed: Installation) -> None:
    code, out, err = managed.run("check")
    assert (code, err) == (0, "")
    assert out.startswith("ok: 0 applications")


def test_with_nothing_managed_explain_says_that_no_application_is_there(managed: Installation) -> None:
    code, out, err = managed.run("explain", "--email", ANN, WIKI)
    assert (code, err) == (0, "")
    assert "no application" in out
    data = managed.data("explain", "--email", ANN, WIKI)
    assert data["application"] is None


@pytest.mark.parametrize(
    "command",
    [("users", "list"), ("service-tokens", "list"), ("migrate",), ("schema",)],
    ids=" ".join,
)
def test_with_nothing_managed_other_commands_work(managed: Installation, command: tuple[str, ...]) -> None:
    code, _, err = managed.run(*command)
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    "command", [("users", "show", ANN), ("devices", "list", ANN), ("sessions", "list", ANN)], ids=" ".join
)
def test_with_nothing_managed_nobody_is_known(managed: Installation, command: tuple[str, ...]) -> None:
    code, out, err = managed.run(*command)
    assert (code, out) == (1, "")
    assert ANN in err


def test_what_the_database_manages_is_explained_as_if_it_stood_in_the_file(
    managed: Installation, empty: Installation
) -> None:
    managed.within(save_everything)
    stored = {
        url: managed.run("explain", "--email", ANN, url) for url in (WIKI, "wiki.example.com", "none.example.com")
    }
    assert "application  Wiki administration (wiki.example.com/admin)" in stored[WIKI][1].splitlines()
    configuration = json.loads(empty.file.read_text())
    empty.file.write_text(json.dumps({**configuration, "access": ACCESS}))
    for url, explained in stored.items():
        assert explained[0] == 0
        assert empty.run("explain", "--email", ANN, url) == explained


def test_people_are_known_where_the_database_manages(managed: Installation) -> None:
    managed.within(save_everything)

    async def enrol(services: Services) -> None:
        await services.durable.find_or_create_person(new_id="ann", email=ANN, name="Ann", now=1)

    managed.within(enrol)
    assert [one["email"] for one in managed.data("users", "list")] == [ANN]
    for command in (("users", "show", ANN), ("devices", "list", ANN), ("sessions", "list", ANN)):
        code, _, err = managed.run(*command)
        assert (code, err) == (0, "")
