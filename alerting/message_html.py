"""A message as HTML for a mail: one narrow column of tables, which mail programs of any age can show. Shell.

It reads its template once. The styles stand at the elements, for many programs know no other; the few in the head are
for dark screens. Nothing is loaded from anywhere: the picture is a part of the mail, named `PICTURE`.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from alerting.message_text import TEST_WORDS
from alerting.message_view import MessageView, view_of
from alerting.outbox import Notice

PICTURE = "trend"  # the Content-ID of the picture
MOST_HTML = 100_000  # characters; beyond some 102 kB Gmail shows a part only


def html_of(notice: Notice) -> str:
    """The whole message; everything that is put in is escaped."""
    view = view_of(notice)
    return _template().render(
        view=view,
        first=view.items[0] if view.items else None,
        page=view.page or (view.items[0].page if view.items else ""),
        preheader=_preheader(view),
        test_words=TEST_WORDS,
        picture=PICTURE,
    )


def _preheader(view: MessageView) -> str:
    """What the list of mails shows beside the subject: what the subject does not say."""
    if not view.items:
        return view.note or TEST_WORDS
    first = view.items[0]
    return " · ".join(one for one in (first.value, first.span, *(value for _, value in first.labels[:3])) if one)


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = files("alerting").joinpath("templates", "message.html").read_text(encoding="utf-8")
    return environment.from_string(source)
