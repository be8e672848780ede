"""Draw a QR code (ISO/IEC 18004) as inline SVG.

Black on a white ground with the quiet zone of four modules that the standard asks for, in any colour
scheme: many readers fail on inverted codes. Presentation attributes only, so that it is drawn under a
Content-Security-Policy without inline styles. Nothing of the content stands in the markup as text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import segno
from markupsafe import Markup

QUIET_ZONE_MODULES = 4


def qr_svg(content: str, *, label: str) -> Markup:
    """Draw `content` (at error correction level M or better) as one `<svg>`, named `label` for screen readers."""
    matrix = segno.make_qr(content, error="m").matrix
    size = len(matrix) + 2 * QUIET_ZONE_MODULES
    path = "".join(f"M{column} {row}h{length}v1h-{length}z" for column, row, length in _dark_runs(matrix))
    return Markup(
        '<svg class="qr" role="img" aria-label="{label}" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
        '<rect width="{size}" height="{size}" fill="#fff"/><path fill="#000" d="{path}"/></svg>'
    ).format(label=label, size=size, path=path)


def _dark_runs(matrix: Sequence[Sequence[int]]) -> Iterator[tuple[int, int, int]]:
    """Give column, row and length of each horizontal run of dark modules, the quiet zone counted in."""
    for row, modules in enumerate(matrix, start=QUIET_ZONE_MODULES):
        column = QUIET_ZONE_MODULES
        for is_dark, run in groupby(modules):
            length = len(list(run))
            if is_dark:
                yield column, row, length
            column += length
