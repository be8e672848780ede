from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from secondgate.errors import StartRefused, Unavailable
from secondgate.model.secret import Secret
from secondgate.store.sealing import KeyFileSealer, load_key, save_key

KEY = Secret(bytes(range(32)))
PLACE = "authenticators/totp_seed/1"


def test_what_was_sealed_opens_at_its_place() -> None:
    sealer = KeyFileSealer(KEY)
    for value in (b"", b"seed", bytes(5000)):
        assert sealer.unseal(sealer.seal(value, place=PLACE), place=PLACE) == value


def test_another_sealer_with_the_same_key_opens_it() -> None:
    assert KeyFileSealer(KEY).unseal(KeyFileSealer(KEY).seal(b"seed", place=PLACE), place=PLACE) == b"seed"


@pytest.mark.case(41)
def test_a_sealed_value_shows_neither_value_nor_key_and_differs_each_time() -> None:
    sealer = KeyFileSealer(KEY)
    sealed = {sealer.seal(b"a seed in clear", place=PLACE) for _ in range(100)}
    assert len(sealed) == 100
    assert not any(b"seed" in one or KEY.reveal()[:8] in one for one in sealed)


def test_the_form_is_version_key_id_nonce_ciphertext_and_tag() -> None:
    sealer = KeyFileSealer(KEY, random_bytes=lambda count: b"n" * count)
    sealed = sealer.seal(b"seed", place=PLACE)
    assert sealed[0] == 1
    assert sealed[1:5] == sealer.derive("key-id")[:4]
    assert sealed[5:17] == b"n" * 12
    assert len(sealed) == 17 + 4 + 16


def test_a_value_moved_to_another_place_does_not_open() -> None:
    sealer = KeyFileSealer(KEY)
    with pytest.raises(Unavailable):
        sealer.unseal(sealer.seal(b"seed", place=PLACE), place="authenticators/totp_seed/2")


def test_another_key_does_not_open_it() -> None:
    sealed = KeyFileSealer(KEY).seal(b"seed", place=PLACE)
    with pytest.raises(Unavailable, match="another key"):
        KeyFileSealer(Secret(bytes(32))).unseal(sealed, place=PLACE)


def test_a_changed_or_cut_value_does_not_open() -> None:
    sealer = KeyFileSealer(KEY)
    sealed = sealer.seal(b"seed", place=PLACE)
    for index in range(len(sealed)):
        changed = sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
        with pytest.raises(Unavailable):
            sealer.unseal(changed, place=PLACE)
    for length in range(len(sealed)):
        with pytest.raises(Unavailable):
            sealer.unseal(sealed[:length], place=PLACE)


def test_subkeys_differ_by_purpose_and_key_and_stay_the_same() -> None:
    sealer = KeyFileSealer(KEY)
    assert len(sealer.derive("csrf")) == 32
    assert sealer.derive("csrf") == KeyFileSealer(KEY).derive("csrf")
    assert len({sealer.derive("csrf"), sealer.derive("pin"), KeyFileSealer(Secret(bytes(32))).derive("csrf")}) == 3


def test_a_key_file_is_one_line_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "sealing.key"
    save_key(path, KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == base64.urlsafe_b64encode(KEY.reveal()).rstrip(b"=") + b"\n"
    assert load_key(path) == KEY


@pytest.mark.parametrize("line", [b"=", b"=\n", b"=\r\n"])
def test_a_key_file_may_be_padded_or_end_otherwise(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "sealing.key"
    path.write_bytes(base64.urlsafe_b64encode(KEY.reveal()).rstrip(b"=") + line)
    assert load_key(path) == KEY


def test_no_key_file_is_no_key(tmp_path: Path) -> None:
    assert load_key(tmp_path / "sealing.key") is None


def test_a_key_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sealing.key").mkdir()
    with pytest.raises(StartRefused, match=r"sealing\.key cannot be read"):
        load_key(tmp_path / "sealing.key")
