"""TOTP: RFC 6238's vectors, the steps around now, and digits as people and attackers type them."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.errors import Malformed, ProofRejected, Reason
from secondgate.model.secret import Secret
from secondgate.protocol.totp import SEED_BYTES, code_at, new_seed, parse_code, provisioning_uri, setup_key, verify_code

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "rfc6238_sha1.json").read_text("utf-8"))
SEED = Secret(VECTORS["seed"].encode())
NOW = 1_700_000_015
STEP = NOW // 30


def code_of(step: int) -> str:
    return pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").generate_otp(step)


@pytest.mark.case(32)
@pytest.mark.parametrize("vector", VECTORS["codes"], ids=lambda vector: str(vector["time"]))
def test_the_codes_of_the_standard_are_accepted_at_their_times(vector: dict[str, object]) -> None:
    time, code = vector["time"], vector["code"]
    assert isinstance(time, int)
    assert isinstance(code, str)
    assert verify_code(SEED, code, now=time) == time // 30
    assert code_at(SEED, now=time) == code


@pytest.mark.case(33)
@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_the_steps_before_and_after_are_accepted(offset: int) -> None:
    assert verify_code(SEED, code_of(STEP + offset), now=NOW) == STEP + offset


@pytest.mark.case(33)
@pytest.mark.parametrize("offset", [-3, -2, 2, 3])
def test_two_steps_away_is_a_wrong_code(offset: int) -> None:
    with pytest.raises(ProofRejected) as refused:
        verify_code(SEED, code_of(STEP + offset), now=NOW)
    assert refused.value.reason is Reason.WRONG_CODE


@pytest.mark.case(33)
def test_the_steps_change_at_whole_half_minutes() -> None:
    code = code_of(STEP)
    assert verify_code(SEED, code, now=(STEP + 2) * 30 - 1) == STEP
    with pytest.raises(ProofRejected):
        verify_code(SEED, code, now=(STEP + 2) * 30)


def test_of_several_steps_with_one_code_the_latest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyotp.TOTP, "generate_otp", lambda _self, _step: "123456")
    assert verify_code(SEED, "123456", now=NOW) == STEP + 1


def test_all_three_steps_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(expected: bytes, presented: bytes) -> bool:
        compared.append(expected)
        return expected == presented

    monkeypatch.setattr(hmac, "compare_digest", compare)
    verify_code(SEED, code_of(STEP - 1), now=NOW)
    assert compared == [code_of(STEP + offset).encode() for offset in (-1, 0, 1)]


def test_the_very_first_step_has_none_before_it() -> None:
    assert verify_code(SEED, code_of(0), now=0) == 0
    assert verify_code(SEED, code_of(1), now=29) == 1


@pytest.mark.case(38)
@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "12345", "1234567", "12345a", "-12345", "+12345", "1e5000", "0x1234", "123.45", "123-456"),
        *(
            "\uff11\uff12\uff13\uff14\uff15\uff16",
            "\u0661\u0662\u0663\u0664\u0665\u0666",
            "12345\uff16",
            "12345\n",
            "123456\n",
            "\t123456",
            "123\u00a0456",
            "123456\x00",
        ),
        *("1" * 100_000, " " * 100_000 + "123456", "\ud800" * 6),
        *(None, 123456, 123456.0, True, b"123456", ["123456"], {"code": "123456"}),
    ],
)
def test_what_is_not_six_digits_is_refused_before_anything_is_computed(text: object) -> None:
    with pytest.raises(Malformed, match="six digits"):
        parse_code(text)


@pytest.mark.parametrize("text", ["123456", " 123456 ", "123 456", "12 34 56", "1 2 3 4 5 6"])
def test_spaces_that_people_type_do_not_count(text: str) -> None:
    assert parse_code(text) == "123456"


@pytest.mark.case(38)
@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_text_gets_through_but_ascii_digits(text: str) -> None:
    try:
        code = parse_code(text)
    except Malformed:
        return
    assert len(code) == 6
    assert set(code) <= set("0123456789")


@pytest.mark.case(38)
@pytest.mark.parametrize("code", ["\uff11\uff12\uff13\uff14\uff15\uff16", "", "\ud800", "12345", "x" * 1000])
def test_a_code_that_nobody_parsed_is_merely_wrong(code: str) -> None:
    with pytest.raises(ProofRejected):
        verify_code(SEED, code, now=NOW)


def test_a_full_width_spelling_of_the_right_code_is_wrong() -> None:
    wide = "".join(chr(ord(digit) - 0x30 + 0xFF10) for digit in code_of(STEP))
    with pytest.raises(ProofRejected):
        verify_code(SEED, wide, now=NOW)


def test_a_new_seed_has_160_bits_and_shows_nothing() -> None:
    asked: list[int] = []

    def random_bytes(count: int) -> bytes:
        asked.append(count)
        return b"\x01" * count

    seed = new_seed(random_bytes)
    assert asked == [SEED_BYTES] == [20]
    assert seed.reveal() == b"\x01" * 20
    assert repr(seed) == str(seed) == "***"


@pytest.mark.case(32)
def test_the_uri_says_what_authenticator_apps_read() -> None:
    uri = urlsplit(provisioning_uri(SEED, account="ada@example.com", issuer="Example"))
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Example:ada%40example.com")
    # SHA-1, six digits and thirty seconds are what is meant where nothing is said.
    assert parse_qs(uri.query) == {"secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"], "issuer": ["Example"]}


@pytest.mark.case(21, 32)
def test_hostile_names_stay_inside_their_place_in_the_uri() -> None:
    uri = provisioning_uri(SEED, account="a&secret=B:?#\"<script>'\r\n", issuer="Org: /?&#\x00")
    parts = urlsplit(uri)
    assert parse_qs(parts.query)["secret"] == ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]
    assert parse_qs(parts.query)["issuer"] == ["Org: /?&#\x00"]
    assert not parts.fragment
    assert not set(uri) & set("\"<>'\r\n\x00 ")


def test_the_setup_key_is_the_seed_in_groups_of_four() -> None:
    assert setup_key(SEED) == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"
