"""YAML with places: every value of a document with the line and column where it stands.

Only plain data is read (the safe subset of YAML 1.1: no objects, no merge keys). A key that stands twice is a
problem, not the last one's victory, and so are an alias that contains itself and a document that unfolds beyond all
measure. What the values mean is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from secondgate.errors import Problem

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_VALUES = 200_000
MAX_DEPTH = 50

Location = tuple[str | int, ...]
Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Place:
    """A file, line and column, both counted from 1."""

    file: str
    line: int = 0
    column: int = 0

    def problem(self, path: str, message: str) -> Problem:
        """Make a problem at this place."""
        return Problem(path, message, self.file, self.line, self.column)


class Sequence(list[object]):
    """A list that remembers, when items are taken out, which numbers the others had."""

    def __init__(self, items: Iterable[object]) -> None:
        super().__init__(items)
        self.numbers = list(range(len(self)))

    def take_out(self, number: int) -> None:
        """Remove the item that is now at `number`."""
        del self[number]
        del self.numbers[number]


@dataclass(slots=True)
class Document:
    """The data of a file, where each part of it stands, and what was wrong on the way."""

    data: dict[str, object] = field(default_factory=dict)
    places: dict[Location, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    is_readable: bool = True

    def place(self, location: Location) -> Place:
        """Give the place of a value, or of what it would stand in."""
        while location not in self.places and location:
            location = location[:-1]
        return self.places.get(location, Place(""))

    def place_of(self, path: str) -> Place:
        """Give the place of a rendered location, as `access.applications[1].domain`."""
        by_path = {rendered(location): place for location, place in self.places.items()}
        while path not in by_path and path:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return by_path.get(path, Place(""))

    def report(self, location: Location, message: str) -> None:
        """Add a problem at a value."""
        self.problems.append(self.place(location).problem(rendered(location), message))


def rendered(location: Iterable[str | int]) -> str:
    """Give a location as people write it: `access.applications[1].domain`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def read_document(path: Path) -> Document:
    """Read a file; a document that is not readable at all has its problem and no data."""
    name = str(path)
    document = Document(places={(): Place(name)})
    try:
        root = _compose(_text(path), name)
        data = {} if root is None else _Reader(document, name).read_object(root)
    except _UnreadableError as error:
        document.problems.append(error.place.problem("", error.message))
        document.is_readable = False
    else:
        document.data = data
    return document


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _UnreadableError(Place(str(path)), f"cannot be read: {error.strerror}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise _UnreadableError(Place(str(path)), f"is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _UnreadableError(Place(str(path), line, 1), "is not UTF-8") from None


def _compose(text: str, name: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(name, mark.line + 1, mark.column + 1) if mark else Place(name)
        raise _UnreadableError(place, f"is no YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _UnreadableError(Place(name, line, 1), f"is no YAML: {error.reason}") from None
    except RecursionError:
        raise _UnreadableError(Place(name), f"is nested deeper than {MAX_DEPTH} levels") from None


def parse_scalar(text: str) -> Scalar:
    """Read a text as YAML reads a plain scalar: numbers, true, false, null, or else the text itself."""
    loader = yaml.SafeLoader("")
    try:
        tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # the stubs have no types
        return _scalar(loader, yaml.ScalarNode(tag, text))
    finally:
        loader.dispose()


def _place(file: str, node: yaml.Node) -> Place:
    return Place(file, node.start_mark.line + 1, node.start_mark.column + 1)


def _scalar(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Scalar:
    """Read a scalar. What YAML takes for dates and base 60 stays text: nothing here is a date."""
    kind = node.tag.rpartition(":")[2]
    if kind in {"int", "float"} and ":" not in node.value:
        value = loader.construct_object(node)
        return value if isinstance(value, (int, float)) else str(node.value)
    if kind == "bool":
        return bool(loader.construct_yaml_bool(node))
    return None if kind == "null" else str(node.value)


class _UnreadableError(Exception):
    """Nothing of the document can be used."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


class _Reader:
    """Turns nodes into data, noting places."""

    def __init__(self, document: Document, file: str) -> None:
        self._document = document
        self._file = file
        self._loader = yaml.SafeLoader("")
        self._values = 0
        self._within: list[int] = []

    def read_object(self, node: yaml.Node) -> dict[str, object]:
        data = self.read(node, ())
        if data is None:
            return {}
        if not isinstance(data, dict):
            raise _UnreadableError(_place(self._file, node), "must be an object: lines of key: value")
        return data

    def read(self, node: yaml.Node, location: Location) -> object:
        place = self._document.places.setdefault(location, _place(self._file, node)) if location else Place(self._file)
        self._values += 1
        if self._values > MAX_VALUES or len(location) > MAX_DEPTH:
            raise _UnreadableError(place, f"holds more than {MAX_VALUES} values, or more than {MAX_DEPTH} levels")
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.startswith("tag:yaml.org,2002:python"):
            self._document.report(location, f"the tag {node.tag} means nothing here")
            return None
        if id(node) in self._within:
            raise _UnreadableError(place, "an alias contains itself")
        self._within.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return dict(self._entries(node, location))
            if isinstance(node, yaml.SequenceNode):
                return Sequence(self.read(item, (*location, number)) for number, item in enumerate(node.value))
            return self._scalar(node)
        finally:
            self._within.pop()

    def _entries(self, node: yaml.MappingNode, location: Location) -> Iterator[tuple[str, object]]:
        seen: dict[str, Place] = {}
        for key_node, value_node in node.value:
            place = _place(self._file, key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._document.problems.append(place.problem(rendered(location), "a key must be one word"))
                continue
            key = str(key_node.value)
            if key in seen:
                first = seen[key]
                self._document.problems.append(
                    place.problem(rendered((*location, key)), f"stands here already, in line {first.line}")
                )
                continue
            seen[key] = place
            self._document.places[*location, key] = place
            yield key, self.read(value_node, (*location, key))

    def _scalar(self, node: yaml.Node) -> Scalar:
        if not isinstance(node, yaml.ScalarNode):
            return None
        try:
            return _scalar(self._loader, node)
        except (ValueError, yaml.YAMLError, KeyError):
            return str(node.value)
