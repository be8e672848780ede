"""What the command line says of required models: `explain` and `check`."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.unit.cli.installation import ANN, Installation

YUBIKEY, TITAN = "2fc0579f811347eab116bb5a8db9202a", "42b4fb4a-2866-43b2-9bf7-6c6669c2e5d3"


def change(installation: Installation, **settings: Any) -> None:  # noqa: ANN401 - of the configuration
    installation.file.write_text(json.dumps({**yaml.safe_load(installation.file.read_text()), **settings}))


def require(installation: Installation, *aaguids: str) -> None:
    access = yaml.safe_load(installation.file.read_text())["access"]
    access["organization"]["mfa_config"]["required_aaguids"] = "keys"
    access["lists"] = [{"name": "keys", "type": "AAGUID", "items": [{"value": one} for one in aaguids]}]
    change(installation, access=access)


@pytest.mark.parametrize(("aaguids", "words"), [((YUBIKEY,), "one model"), ((YUBIKEY, TITAN), "2 models")])
def test_explain_says_that_models_are_required(
    installation: Installation, aaguids: tuple[str, ...], words: str
) -> None:
    assert "required_aaguids" not in installation.run("explain", "--email", ANN, "wiki.example.com")[1]
    assert installation.data("explain", "--email", ANN, "wiki.example.com")["required_aaguids"] is None
    require(installation, *aaguids)
    out = installation.run("explain", "--email", ANN, "wiki.example.com")[1]
    assert f"required_aaguids: new security keys and biometrics must be of {words}" in out
    assert "the identity provider's\n     own MFA does not count" in out
    data = installation.data("explain", "--email", ANN, "wiki.example.com")
    assert data["required_aaguids"] == sorted(one.replace("-", "") for one in aaguids)


def test_check_proves_the_metadata_file(installation: Installation) -> None:
    change(installation, webauthn={"metadata_file": "blob.jwt"})
    code, _, err = installation.run("check")
    assert (code, "webauthn.metadata_file" in err, "cannot be read" in err) == (2, True, True)
    (installation.file.parent / "blob.jwt").write_bytes(b"a.b.c")
    code, _, err = installation.run("check")
    assert (code, "is no signed BLOB" in err) == (2, True)
