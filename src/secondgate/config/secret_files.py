"""Secrets in files: `proxy_secret_file: /run/secrets/proxy` stands for the text of that file.

Read once, when the configuration is loaded; a trailing line end is dropped. Relative paths start at the folder of the
configuration file. A secret stands here or in a file, never in both.
"""

from __future__ import annotations

from pathlib import Path

from secondgate.access.introspection import FILE_SUFFIX, model_at, secret_keys
from secondgate.config.document import Document, Location
from secondgate.config.settings import Settings

MAX_SECRET_BYTES = 64 * 1024


def read_secret_files(document: Document, folder: Path) -> set[Location]:
    """Put the texts of all secret files into a document, noting problems. Give the secrets that could not be read."""
    lost: set[Location] = set()
    _visit(document, document.data, (), folder, lost)
    return lost


def _visit(document: Document, data: object, location: Location, folder: Path, lost: set[Location]) -> None:
    if isinstance(data, list):
        for number, item in enumerate(data):
            _visit(document, item, (*location, number), folder, lost)
        return
    model = model_at(Settings, location)
    if model is None or not isinstance(data, dict):
        return
    for key in secret_keys(model):
        here = (*location, key + FILE_SUFFIX)
        if here[-1] not in data:
            continue
        file = data.pop(here[-1])
        if key in data:
            document.report(here, f"stands beside {key}; give the secret here or in a file, not both")
            continue
        text = _text(document, here, file, folder)
        if text is None:
            lost.add((*location, key))
        else:
            data[key] = text
            document.places[*location, key] = document.place(here)
    for key, value in data.items():
        _visit(document, value, (*location, key), folder, lost)


def _text(document: Document, location: Location, file: object, folder: Path) -> str | None:
    if not isinstance(file, str) or not file or "\0" in file:
        document.report(location, "must be the path of a file")
        return None
    path = folder / file
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_SECRET_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        document.report(location, f"{path} cannot be read: {error.strerror}")
        return None
    except UnicodeDecodeError:
        document.report(location, f"{path} is not UTF-8")
        return None
    if len(raw) > MAX_SECRET_BYTES:
        document.report(location, f"{path} is larger than {MAX_SECRET_BYTES // 1024} KiB")
        return None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret:
        document.report(location, f"{path} is empty")
        return None
    return secret
