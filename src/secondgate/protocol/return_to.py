"""Where a browser goes after logging in: a path on the very host it came from, never another place.

Grammar: RFC 3986, section 3.3 and 3.4, judged as browsers read it (WHATWG URL, section 4.4), which take
a backslash for a slash and drop tabs and newlines.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from secondgate.errors import Malformed

MAX_RETURN_PATH_BYTES = 8191
_FORBIDDEN = re.compile(r"[\x00-\x20\\\x7f]")
_NETWORK_PATH = re.compile(r"(?:/(?:\.|%2e){1,2})*//", re.IGNORECASE)
_ASCII = "".join(map(chr, range(0x21, 0x7F)))


def parse_return_path(text: str) -> str:
    r"""Give a path and query that begin with exactly one slash, in ASCII, to put behind `scheme://host`.

    Raises Malformed for anything that a browser could take for another place: absolute URLs, `//host`, `/\host`,
    control characters and blanks, and for 8 KiB or more.
    """
    if not text.startswith("/") or _NETWORK_PATH.match(text) or _FORBIDDEN.search(text):
        raise Malformed("return_to", "must be a path on this host, beginning with one slash")
    try:
        path = quote(text, safe=_ASCII)
    except UnicodeEncodeError as error:
        raise Malformed("return_to", "must be UTF-8") from error
    if len(path) > MAX_RETURN_PATH_BYTES:
        raise Malformed("return_to", "must be shorter than 8 KiB")
    return path
