"""What a command says: data to standard output, errors to standard error, one line each.

Control characters are shown as escapes: a name out of a file never moves the cursor or breaks a line.
"""

from __future__ import annotations

import json
import re
import sys

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def one_line(text: str) -> str:
    """Give a text in which control characters are escapes."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def say(text: str) -> None:
    """Write one line to standard output."""
    sys.stdout.write(one_line(text) + "\n")


def say_json(data: object, *, indent: int | None = 2) -> None:
    """Write data to standard output as JSON."""
    sys.stdout.write(json.dumps(data, indent=indent) + "\n")


def complain(text: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(one_line(text) + "\n")
