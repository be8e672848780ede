"""The style sheet of an organization's login design: its two colours, as the properties that the pages' own sheet uses.

It is a file of its own because the Content-Security-Policy takes no inline styles, and its URL names its content, as
`assets` does. The colours hold in light alone: in dark the pages keep theirs, which can be read there.
"""

from __future__ import annotations

from secondgate.model.login_design import LoginDesign
from secondgate.portal.assets import version_of

DESIGN_PATH = "/design.css"


def style_sheet(design: LoginDesign) -> bytes:
    """Give the style sheet; empty for a design without colours."""
    colors = (("--ground", design.background_color), ("--on-ground", design.text_color))
    declarations = "".join(f"    {name}: {color};\n" for name, color in colors if color)
    if not declarations:
        return b""
    return f"@media (prefers-color-scheme: light) {{\n  :root {{\n{declarations}  }}\n}}\n".encode()


def style_url(design: LoginDesign) -> str:
    """Give the URL of the style sheet at the portal's host; empty for a design without colours."""
    content = style_sheet(design)
    return f"{DESIGN_PATH}?v={version_of(content)}" if content else ""
