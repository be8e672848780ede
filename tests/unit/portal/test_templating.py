from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from secondgate.portal.templating import in_words, load_template


@pytest.mark.parametrize(
    ("duration_s", "words"),
    [
        (0, "1 second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (61, "2 minutes"),
        (200, "4 minutes"),
        (3600, "60 minutes"),
        (5400, "2 hours"),
        (86_400, "24 hours"),
        (172_800, "2 days"),
        (172_801, "3 days"),
    ],
)
def test_a_duration_is_said_as_people_do_and_never_too_short(duration_s: int, words: str) -> None:
    assert in_words(duration_s) == words


def test_a_name_that_a_template_does_not_know_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        load_template("login.html").render()
