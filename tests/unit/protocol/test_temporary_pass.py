"""The code of a temporary pass: made of random bits, shown in groups, read back however it was typed."""

from __future__ import annotations

import os

import pytest

from secondgate.errors import Malformed
from secondgate.model.secret import Secret
from secondgate.protocol.temporary_pass import ALPHABET, format_pass_code, new_pass_code, parse_pass_code

CODE = Secret("K7QM2F9XTR4B")


def test_a_code_is_sixty_random_bits() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 32
    assert not set(ALPHABET) & set("ILOU")
    assert new_pass_code(lambda count: bytes(range(count))).reveal() == ALPHABET[:12]
    assert new_pass_code(lambda count: bytes(range(32, 32 + count))).reveal() == ALPHABET[:12]
    assert len({new_pass_code(os.urandom).reveal() for _ in range(1000)}) == 1000


def test_a_code_is_shown_in_three_groups_of_four() -> None:
    assert format_pass_code(CODE) == "K7QM-2F9X-TR4B"
    assert "K7QM" not in repr(CODE)


@pytest.mark.parametrize(
    "typed",
    ["K7QM-2F9X-TR4B", "k7qm-2f9x-tr4b", "K7QM2F9XTR4B", " k7qm 2f9x tr4b ", "k7-qm-2f-9x-tr-4b", "K7QM--2F9XTR4B-"],
)
def test_case_dashes_and_blanks_make_no_difference(typed: str) -> None:
    assert parse_pass_code(typed) == CODE


def test_letters_that_look_like_digits_are_those() -> None:
    assert parse_pass_code("iLoO-0000-1111") == Secret("110000001111")


@pytest.mark.case(38)
@pytest.mark.parametrize(
    "typed",
    [
        None,
        b"K7QM2F9XTR4B",
        0,
        "",
        "K7QM-2F9X-TR4",
        "K7QM-2F9X-TR4BB",
        "K7QM-2F9X-TRUB",
        "K7QM_2F9X_TR4B",
        "\uff2b7QM-2F9X-TR4B",
        "\u212a7QM2F9XTR4B",
        "K7QM\n2F9X\nTR4B",
        "K7QM-2F9X-TR4B" + "-" * 60,
        "\ud800" * 12,
    ],
)
def test_anything_else_is_refused_before_it_is_looked_at(typed: object) -> None:
    with pytest.raises(Malformed):
        parse_pass_code(typed)
