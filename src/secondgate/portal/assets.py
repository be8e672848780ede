"""The portal's static files: read once at import, named by their content.

`static_url` puts a hash of the content into the query, so that an answer may be cached for ever
(RFC 8246 `immutable`) and a new version is a new URL. Serves nothing: a handler looks up `STATIC_FILES`.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType

STATIC_PATH = "/static/"

CSS = "text/css; charset=utf-8"
_CONTENT_TYPES = {
    "css": CSS,
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def _load() -> dict[str, tuple[str, bytes]]:
    folder = files("secondgate.portal") / "static"
    return {
        file.name: (_CONTENT_TYPES[file.name.rpartition(".")[2]], file.read_bytes())
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
    }


def version_of(content: bytes) -> str:
    """Give what a URL's query names a content by: 12 characters of its hash."""
    return urlsafe_b64encode(sha256(content).digest())[:12].decode()


STATIC_FILES: Mapping[str, tuple[str, bytes]] = MappingProxyType(_load())
"""Content type and content of each file, by its name under `STATIC_PATH`."""

_VERSIONS = {name: version_of(content) for name, (_, content) in STATIC_FILES.items()}


def static_url(name: str, origin: str = "") -> str:
    """Give the URL of a static file: a path, or an absolute URL below `origin` (scheme, host and port).

    Raises KeyError for a file that does not exist.
    """
    return f"{origin}{STATIC_PATH}{name}?v={_VERSIONS[name]}"
