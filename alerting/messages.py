"""What a message says, in each form that it is sent in. Shell.

The forms of text and JSON are pure; only that of HTML reads its template, once.
"""

from __future__ import annotations

from alerting.message_html import PICTURE, html_of
from alerting.message_json import json_of
from alerting.message_template import check_body, templated
from alerting.message_text import short_of, subject_of, text_of

__all__ = ["PICTURE", "check_body", "html_of", "json_of", "short_of", "subject_of", "templated", "text_of"]
