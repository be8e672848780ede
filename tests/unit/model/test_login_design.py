"""Contrast as WCAG 2.1 computes it, and colours in one form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondgate.model.login_design import PLAIN_DESIGN, LoginDesign, contrast, full_color

colors = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#767676", "#ffffff", 4.54),
        ("#777777", "#ffffff", 4.48),
        ("#ff0000", "#ffffff", 4.0),
        ("#0000ff", "#ffffff", 8.59),
        ("#010101", "#000000", 1.01),
    ],
)
def test_known_contrasts_come_out(one: str, other: str, expected: float) -> None:
    assert contrast(one, other) == pytest.approx(expected, abs=0.005)


@given(colors, colors)
def test_contrast_is_the_same_both_ways_and_from_1_to_21(one: str, other: str) -> None:
    assert contrast(one, other) == contrast(other, one)
    assert 1 <= contrast(one, other) <= 21.0001


def test_short_colors_are_written_out() -> None:
    assert [full_color(color) for color in ("#1aF", "#ABCDEF")] == ["#11aaff", "#abcdef"]


def test_what_a_design_does_not_say_is_the_pages_own() -> None:
    assert PLAIN_DESIGN.contrast > 14
    assert LoginDesign(background_color="#000000").contrast < 1.5
    assert LoginDesign(text_color="#ffffff").contrast < 1.5
    assert LoginDesign("#000000", "#ffffff").contrast == pytest.approx(21)
