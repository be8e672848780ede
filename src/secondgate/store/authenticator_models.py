"""Where FIDO Metadata comes from: a BLOB in a file, if one is configured, or else the edition that is installed.

Read when it is first asked for, since most organizations require no models. What its parts mean, and what proves a
BLOB, is `protocol.metadata`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from secondgate.errors import InvalidConfiguration, Malformed, Problem
from secondgate.protocol.metadata import FIDO_ROOT, Metadata, packaged_metadata, verify_metadata_blob

log = structlog.get_logger("secondgate.store")


class AuthenticatorModels:
    """Gives the metadata; the first call reads it. Raises InvalidConfiguration for a file that is not good."""

    def __init__(self, file: Path | None, *, clock: Callable[[], float]) -> None:
        self._file = file
        self._clock = clock
        self._known: Metadata | None = None

    def __call__(self) -> Metadata:
        """Give it."""
        if self._known is None:
            now = int(self._clock())
            known = packaged_metadata() if self._file is None else load_metadata_file(self._file, now=now)
            if known.next_update_at <= now:
                log.warning(
                    "metadata.outdated",
                    number=known.number,
                    next_update_at=known.next_update_at,
                    remedy="set webauthn.metadata_file to a newer BLOB of https://mds3.fidoalliance.org/",
                )
            self._known = known
        return self._known


def load_metadata_file(file: Path, *, now: int, expected_root: bytes = FIDO_ROOT) -> Metadata:
    """Load a BLOB that is not older than the edition that is installed. `now` is Unix seconds.

    Raises InvalidConfiguration.
    """
    try:
        least_number = packaged_metadata().number
        return verify_metadata_blob(file.read_bytes(), now=now, least_number=least_number, expected_root=expected_root)
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
    except Malformed as error:
        message = f"{file} {error.detail.removeprefix('metadata: ')}"
    raise InvalidConfiguration((Problem("webauthn.metadata_file", message),))


def learn_models(models: Callable[[], Metadata], *, required_aaguids: frozenset[str] | None, has_file: bool) -> None:
    """Read the metadata at the start where it will be needed, and write down which required models nobody can prove.

    Raises InvalidConfiguration for a file that is not good.
    """
    if required_aaguids is None and not has_file:
        return
    known = models()
    log.info("metadata.loaded", number=known.number, models=len(known.models))
    if unknown := sorted((required_aaguids or frozenset()) - known.models.keys()):
        log.warning("metadata.unknown_models", number=known.number, aaguids=unknown)
