"""FIDO Metadata never goes back to an older edition."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secondgate.errors import StartRefused
from secondgate.flows.metadata_age import verify_not_older
from tests.unit.flows.world import World


async def test_the_same_edition_and_a_newer_one_are_taken(world: World) -> None:
    for number in (7, 7, 9):
        world.metadata = replace(world.metadata, number=number)
        await verify_not_older(world.services)


async def test_an_older_edition_than_was_used_before_is_refused_and_both_are_named(world: World) -> None:
    world.metadata = replace(world.metadata, number=9)
    await verify_not_older(world.services)
    world.metadata = replace(world.metadata, number=8)
    with pytest.raises(StartRefused, match=r"edition 8 .* edition 9 was used"):
        await verify_not_older(world.services)
    world.metadata = replace(world.metadata, number=9)
    await verify_not_older(world.services)
