"""The forms of a page, as a browser would fill them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(slots=True)
class Form:
    """A form: where it goes, what it sends by itself, the names of its inputs and buttons, and its `data-*`."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    inputs: set[str] = field(default_factory=set)
    data: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            data = {name[5:]: value for name, value in given.items() if name.startswith("data-")}
            self.forms.append(Form(given.get("action", ""), data=data))
        elif tag in ("input", "button") and self.forms and "name" in given:
            self.forms[-1].inputs.add(given["name"])
            if tag == "input" and given.get("type") != "checkbox":
                self.forms[-1].fields[given["name"]] = given.get("value", "")


def forms_of(html: str) -> list[Form]:
    """Give the forms of a page in their order."""
    parser = _Forms()
    parser.feed(html)
    return parser.forms
