from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
import segno

from secondgate.portal.qr import QUIET_ZONE_MODULES, qr_svg

SVG_RUN = re.compile(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z")


def modules_of(svg: str) -> list[list[int]]:
    """Read the drawing back: 1 for dark, row by row, the quiet zone included."""
    root = ET.fromstring(svg)  # noqa: S314 - our own markup
    size = int(root.attrib["viewBox"].split()[2])
    rect, path = root
    assert (rect.attrib["width"], rect.attrib["height"], rect.attrib["fill"]) == (str(size), str(size), "#fff")
    assert path.attrib["fill"] == "#000"
    drawing = path.attrib["d"]
    assert SVG_RUN.sub("", drawing) == ""
    modules = [[0] * size for _ in range(size)]
    for column, row, length, back in (map(int, run) for run in SVG_RUN.findall(drawing)):
        assert length == back
        for dark in range(column, column + length):
            assert modules[row][dark] == 0
            modules[row][dark] = 1
    return modules


@pytest.mark.parametrize(
    "content",
    [
        "otpauth://totp/Example:anna%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=Example",
        "A",
        "otpauth://totp/" + "x" * 600,
    ],
)
def test_the_drawing_is_the_code_with_a_white_zone_of_four_modules(content: str) -> None:
    modules = modules_of(qr_svg(content, label="Code"))
    expected = segno.make_qr(content, error="m").matrix_iter(scale=1, border=QUIET_ZONE_MODULES)
    assert modules == [list(row) for row in expected]


@pytest.mark.case(21)
def test_content_and_label_stay_inert() -> None:
    hostile = '"><script>alert(1)</script>'
    svg = qr_svg(f"otpauth://totp/{hostile}", label=hostile)
    assert "<script" not in svg
    assert "otpauth" not in svg
    assert ET.fromstring(svg).attrib["aria-label"] == hostile  # noqa: S314 - our own markup


def test_it_is_an_image_with_a_name_and_without_inline_style() -> None:
    root = ET.fromstring(qr_svg("A", label="QR code"))  # noqa: S314 - our own markup
    assert (root.attrib["role"], root.attrib["aria-label"]) == ("img", "QR code")
    assert all("style" not in element.attrib for element in root.iter())
