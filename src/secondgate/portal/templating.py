"""The template engine as the portal uses it, and how it words times.

Everything is escaped, and a name that does not exist is an error. Times are written in UTC inside `<time>`
elements; a script rewrites them in the reader's own zone and manner. Knows no page.
"""

from __future__ import annotations

from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from secondgate.model.organization import Method
from secondgate.portal.assets import static_url


def in_words(duration_s: int) -> str:
    """Say a duration in seconds as people do, rounded up: `40 seconds`, `4 minutes`, `2 hours`, `3 days`."""
    for unit_s, unit, below_s in ((1, "second", 60), (60, "minute", 5400), (3600, "hour", 172800)):
        if duration_s < below_s:
            count = max(1, -(-duration_s // unit_s))
            return f"{count} {unit}" + ("s" if count != 1 else "")
    return f"{-(-duration_s // 86400)} days"


def load_template(name: str) -> Template:
    """Load a template by its file's name; compiled once."""
    return _ENVIRONMENT.get_template(name)


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _date(at: int) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%B %Y}"


def _clock(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M} UTC"


_ENVIRONMENT = Environment(
    loader=PackageLoader("secondgate.portal"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_ENVIRONMENT.globals.update(static_url=static_url, Method=Method)
_ENVIRONMENT.filters.update(iso=_iso, date=_date, clock=_clock)
