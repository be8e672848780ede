"""Where FIDO Metadata comes from: installed, or a proven file that is not older."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from secondgate.errors import InvalidConfiguration
from secondgate.protocol.metadata import packaged_metadata
from secondgate.store.authenticator_models import AuthenticatorModels, learn_models, load_metadata_file
from tests.fakes.vendor import Vendor, blob, payload

NOW = 1_900_000_000
A = bytes.fromhex("a" * 32)
FIDO = Vendor("FIDO")
ROOT = FIDO.root.public_bytes(Encoding.PEM)


def test_without_a_file_the_installed_edition_is_given_with_a_warning_when_it_is_old() -> None:
    with capture_logs() as logs:
        models = AuthenticatorModels(None, clock=lambda: NOW)
        assert models() is models() is packaged_metadata()
    assert [line["event"] for line in logs] == ["metadata.outdated"]
    with capture_logs() as logs:
        AuthenticatorModels(None, clock=lambda: packaged_metadata().next_update_at - 1)()
    assert logs == []


def test_a_newer_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "blob.jwt"
    number = packaged_metadata().number
    file.write_bytes(blob(payload(FIDO.entry(A), number=number), FIDO.signer()))
    known = load_metadata_file(file, now=NOW, expected_root=ROOT)
    assert (known.number, A.hex() in known.models) == (number, True)


def test_an_older_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "blob.jwt"
    file.write_bytes(blob(payload(number=packaged_metadata().number - 1), FIDO.signer()))
    with pytest.raises(InvalidConfiguration, match=r"webauthn\.metadata_file: .*is older"):
        load_metadata_file(file, now=NOW, expected_root=ROOT)


@pytest.mark.parametrize("content", [None, b"", blob(payload(number=9999), FIDO.signer())])
def test_a_file_that_cannot_be_read_or_proven_is_a_problem_with_its_place(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "blob.jwt"
    if content is not None:
        file.write_bytes(content)
    models = AuthenticatorModels(file, clock=lambda: NOW)
    with pytest.raises(InvalidConfiguration) as refused:
        learn_models(models, required_aaguids=None, has_file=True)
    [problem] = refused.value.problems
    assert problem.path == "webauthn.metadata_file"
    assert str(file) in problem.message


def test_nothing_is_read_at_the_start_where_nothing_requires_it() -> None:
    def unexpected() -> None:
        raise AssertionError("it was read")

    learn_models(unexpected, required_aaguids=None, has_file=False)  # type: ignore[arg-type]


def test_required_models_that_nobody_can_prove_are_named_in_the_log() -> None:
    with capture_logs() as logs:
        learn_models(packaged_metadata, required_aaguids=frozenset((A.hex(), "f" * 32)), has_file=False)
    [warning] = [line for line in logs if line["log_level"] == "warning"]
    assert warning["aaguids"] == [A.hex(), "f" * 32]
    with capture_logs() as logs:
        learn_models(packaged_metadata, required_aaguids=frozenset(packaged_metadata().models), has_file=False)
    assert [line["log_level"] for line in logs] == ["info"]
