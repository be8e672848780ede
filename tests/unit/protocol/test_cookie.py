"""Cookies: read strictly, written whole, and never handed on."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.protocol.cookie import (
    application_cookie_name,
    clear_cookie,
    host_cookie_name,
    parse_cookie,
    set_cookie,
    without_cookies,
)

OURS = "__Host-secondgate"


def test_names_have_the_host_prefix_but_on_plain_http() -> None:
    assert application_cookie_name(secure=True) == OURS
    assert application_cookie_name(secure=False) == "secondgate"
    assert host_cookie_name("login", secure=True) == "__Host-login"
    assert host_cookie_name("login", secure=False) == "login"


@pytest.mark.parametrize(
    "header",
    [
        f"{OURS}=abc.def",
        f"a=1; {OURS}=abc.def",
        f"{OURS}=abc.def; a=1",
        f"a=1;{OURS}=abc.def;b=2",
        f"a=1; \t{OURS} = abc.def ; b",
        f"x{OURS}=1; {OURS}=abc.def; {OURS}x=2; {OURS.lower()}=3; a={OURS}=4",
    ],
)
def test_the_cookie_of_that_very_name_is_found(header: str) -> None:
    assert parse_cookie(header, OURS) == "abc.def"


def test_a_value_may_hold_equals_signs() -> None:
    assert parse_cookie(f"{OURS}=a=b==", OURS) == "a=b=="


@pytest.mark.case(29)
@pytest.mark.parametrize(
    "header",
    [
        *("", " ", ";", ";;;=;", "=", "=x", OURS, f"{OURS};", f"{OURS}=", f"{OURS}= ; a=1", "a=1", f"a={OURS}"),
        *(f"{OURS}=a; {OURS}=b", f"{OURS}=a; {OURS}=a", f"{OURS}=a; {OURS} =b", f"{OURS}=a; {OURS}="),
        *(f"{OURS}=a b", f'{OURS}="a"', f"{OURS}=a,b", f"{OURS}=a\\b", f"{OURS}=a\x00", f"{OURS}=a\x7f"),
        *(f"{OURS}=ä", f"{OURS}=\udcff", f"\udcff{OURS}=a", f"{OURS}\x00=a", f"{OURS}=\r\n a"),
        *(f"{OURS}={'a' * 4097}", f"{OURS}={'a' * 65536}", "; ".join([f"{OURS}=a"] * 100)),
    ],
)
def test_a_malformed_cookie_is_none(header: str) -> None:
    assert parse_cookie(header, OURS) is None


def test_a_value_of_4096_bytes_is_read() -> None:
    assert parse_cookie(f"{OURS}={'a' * 4096}", OURS) == "a" * 4096


@pytest.mark.case(29)
@pytest.mark.parametrize(
    "rubbish",
    [
        *(
            ";",
            " ",
            "=",
            "; ",
            ";\t",
            '"',
            "a=b; ",
            "\udcff",
            OURS,
            f"; {OURS}",
            f"{OURS}=",
            f"; {OURS} ",
            "; " + OURS[:-1],
        ),
        "; " + " " * 500,
    ],
)
def test_64_kib_of_rubbish_is_read_quickly(rubbish: str) -> None:
    header = (rubbish * 65536)[:65536]
    begin = time.perf_counter()
    parse_cookie(header, OURS)
    without_cookies(header, {OURS})
    assert time.perf_counter() - begin < 1


@pytest.mark.case(29)
@settings(deadline=None)
@given(st.text())
def test_no_header_makes_reading_fail(header: str) -> None:
    parse_cookie(header, OURS)
    without_cookies(header, {OURS})


@pytest.mark.case(30)
@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("a=1; b=2", "a=1; b=2"),
        ("", ""),
        (f"{OURS}=x", ""),
        (f"{OURS}=x; a=1", "a=1"),
        (f"a=1; {OURS}=x", "a=1"),
        (f"a=1; {OURS}=x; b=2", "a=1; b=2"),
        (f"a=1;{OURS}=x;b=2", "a=1;b=2"),
        (f"{OURS}=x; a=1; {OURS}=y; login=z", "a=1"),
        (f"a=1;  {OURS} =x;\tb=2", "a=1;\tb=2"),
        (f"a=1; {OURS}; b", "a=1; b"),
        (f'a="q; {OURS}=x; r"', 'a="q; r"'),
        (f"a=\udcff\x80ä; {OURS}=x; b==;;", "a=\udcff\x80ä; b==;;"),
        (f"{OURS}x=1; x{OURS}=2", f"{OURS}x=1; x{OURS}=2"),
    ],
)
def test_our_cookies_are_dropped_and_the_others_kept_byte_for_byte(header: str, kept: str) -> None:
    assert without_cookies(header, {OURS, "login"}) == kept


@pytest.mark.case(30)
@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([f"{OURS}=secret", " a=1", f" {OURS}=secret", "b", "", f"\t{OURS} =secret ", '"']), max_size=9
    )
)
def test_nothing_of_ours_is_ever_left(pairs: list[str]) -> None:
    assert "secret" not in without_cookies(";".join(pairs), {OURS})


@pytest.mark.case(22)
def test_a_secure_cookie_is_bound_to_its_host() -> None:
    assert (
        set_cookie(OURS, "abc", secure=True, max_age_s=60)
        == f"{OURS}=abc; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax"
    )


@pytest.mark.case(22)
def test_a_session_cookie_has_no_age() -> None:
    assert (
        set_cookie("secondgate", "abc", secure=False, max_age_s=None)
        == "secondgate=abc; Path=/; HttpOnly; SameSite=Lax"
    )


def test_clearing_sets_an_empty_value_of_no_age() -> None:
    assert clear_cookie(OURS, secure=True) == f"{OURS}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax"


@pytest.mark.case(22)
def test_a_cookie_longer_than_browsers_keep_is_not_written() -> None:
    rest = len(set_cookie(OURS, "", secure=True, max_age_s=None))
    assert len(set_cookie(OURS, "a" * (4096 - rest), secure=True, max_age_s=None)) == 4096
    with pytest.raises(ValueError, match="longer than browsers keep"):
        set_cookie(OURS, "a" * (4097 - rest), secure=True, max_age_s=None)


@pytest.mark.parametrize(
    ("name", "value"),
    [("", "a"), ("a b", "a"), ("a;", "a"), ("a", "b;c"), ("a", "b c"), ("a", "b\r\nc"), ("ä", "a"), ("a", "ä")],
)
def test_what_no_cookie_may_hold_is_not_written(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="name and value"):
        set_cookie(name, value, secure=True, max_age_s=None)


@pytest.mark.case(22)
def test_the_host_prefix_is_not_written_without_secure() -> None:
    with pytest.raises(ValueError, match="must be secure"):
        set_cookie(OURS, "a", secure=False, max_age_s=None)
