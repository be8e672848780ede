"""FIDO Metadata never goes back: an older edition does not know what was revoked since."""

from __future__ import annotations

from secondgate.errors import StartRefused
from secondgate.flows.services import Services


async def verify_not_older(services: Services) -> None:
    """Prove that the metadata in use is not older than what was used before, on any replica, and remember its number.

    Raises StartRefused, Unavailable.
    """
    number = services.authenticator_metadata().number
    highest = await services.durable.raise_metadata_number(number)
    if number < highest:
        raise StartRefused(
            f"webauthn.metadata_file: holds edition {number} of the FIDO Metadata, and edition {highest} was used "
            "before; put that one or a newer one in its place"
        )
