from __future__ import annotations

from collections.abc import Iterator

import pytest

from secondgate.flows.proof import Purpose
from secondgate.model.organization import Method
from tests.unit.flows.world import Person, World


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    for work in world.spawned:
        work.close()


@pytest.fixture
def ann(world: World) -> Person:
    return Person(world)


@pytest.fixture
async def enrolled(world: World, ann: Person) -> Person:
    """Ann with all three methods, and an hour later, so that her window is closed and her app shows a new code."""
    await ann.sign_in()
    await ann.enrol_app()
    world.now += 30
    await ann.prove_code(purpose=Purpose.DEVICES)
    await ann.enrol(Method.SECURITY_KEY)
    await ann.enrol(Method.BIOMETRICS)
    world.now += 3600
    return ann


@pytest.fixture
async def ready(ann: Person) -> Person:
    """Ann, who has just enrolled her app."""
    await ann.sign_in()
    await ann.enrol_app()
    return ann


@pytest.fixture
async def locked_out(enrolled: Person) -> Person:
    """Ann at a new browser, without her phone, key and reader."""
    other = enrolled.at_another_browser()
    await other.sign_in()
    return other
