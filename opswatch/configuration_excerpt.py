"""The line of the file that a fault is about, with a caret below, and without anything that may be a secret. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opswatch.configuration import (
    BasicAuthentication,
    Configuration,
    Dashboards,
    Defaults,
    Expectations,
    Host,
    HttpProbe,
    JsonValueExpectation,
    RetentionTimes,
    Service,
    Storage,
    Tls,
)
from opswatch.configuration_faults import SECRET_KEYS, is_secret, known_keys
from opswatch.configuration_telling import (
    BudgetItem,
    Escalation,
    Maintenance,
    MonthlyTimes,
    OverrideItem,
    PersonItem,
    QuietTimes,
    ReceiverItem,
    RepeatTimes,
    RotationItem,
    RouteItem,
    Smtp,
    StepItem,
    Success,
    WeeklyTimes,
)
from opswatch.configuration_urls import is_of_telling, places_of_urls
from opswatch.yaml_document import Span, parse_document
from telemetry.errors import Fault

MAX_WIDTH = 140
MASK = "***"

_MODELS = (
    *(Configuration, Tls, Storage, RetentionTimes, Host, Defaults, Service, HttpProbe),
    *(BasicAuthentication, Expectations, JsonValueExpectation, Dashboards),
    *(Smtp, ReceiverItem, RouteItem, Escalation, StepItem, Maintenance, RotationItem, PersonItem, OverrideItem),
    *(QuietTimes, BudgetItem, Success, RepeatTimes, WeeklyTimes, MonthlyTimes),
)
_HARMLESS = {key for model in _MODELS for key in known_keys(model)} - SECRET_KEYS
_KEY = re.compile(r"""["']?([^\s"'{}\[\],:#-][^\s"'{}\[\],:]*)["']?\s*:(?=\s|$)""")
_CREDENTIALS = re.compile(r"://([^\s]*)@")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def excerpts(text: str, faults: Sequence[Fault]) -> list[str]:
    """For each fault two lines, indented: the fault's line and the caret; nothing when the line may not be shown."""
    if not text:  # it could not be read a second time: a pipe
        return [""] * len(faults)
    document = parse_document(text, "")
    lines = text.split("\n")
    secrets: dict[int, list[Span]] = {}
    for path, span in document.spans.items():
        if is_secret(path):
            for index in range(span.line, span.end_line + 1):
                secrets.setdefault(index, []).append(span)
    is_yaml = document.value is not None or not document.faults
    return [_excerpt(secrets if is_yaml else None, lines, fault) for fault in faults]


def _excerpt(secrets: dict[int, list[Span]] | None, lines: list[str], fault: Fault) -> str:
    if fault.line is None or fault.column is None or fault.line > len(lines):
        return ""
    index, column = fault.line - 1, fault.column - 1
    masks = _masks(secrets.get(index, [])) if secrets is not None else _masks_of_no_yaml(lines, index)
    if masks is None:
        return ""
    masks += [match.span(1) for match in _CREDENTIALS.finditer(lines[index])]
    if is_of_telling(fault.field):
        masks += places_of_urls(lines[index])
    return _with_caret(*_masked(lines[index].rstrip("\r"), column, masks))


def _with_caret(line: str, column: int) -> str:
    """A long line is cut around the caret."""
    start = max(0, column - MAX_WIDTH // 2) if len(line) > MAX_WIDTH else 0
    shown = _CONTROL.sub("·", line[start : start + MAX_WIDTH].replace("\t", " "))
    return f"    {shown}\n    {' ' * (column - start)}^"


def _masks(secrets: list[Span]) -> list[tuple[int, int]] | None:
    """From where to where values on a line may be secrets; None when the line lies within a longer one."""
    if any(span.line != span.end_line for span in secrets):
        return None
    return [(span.column, span.end_column) for span in secrets]


def _masks_of_no_yaml(lines: list[str], index: int) -> list[tuple[int, int]] | None:
    """Here secrets cannot be told apart, so a line is shown as it is or not at all."""
    return [] if _is_harmless(lines, index) else None


def _masked(line: str, column: int, masks: list[tuple[int, int]]) -> tuple[str, int]:
    """The line without what is masked, and where the column is in it then."""
    shown, place, end = "", min(column, len(line)), 0
    shift = 0
    for first, last in sorted(masks, key=lambda mask: (mask[0], -mask[1])):
        if first < end or last <= first:  # within the one before, or nothing at all
            continue
        shown += line[end:first] + MASK
        if first <= column < last:
            place = len(shown) - len(MASK)
            shift = 0
        elif column >= last:
            shift += len(MASK) - (last - first)
        end = last
    within = any(first <= column < last for first, last in masks)
    return shown + line[end:], place if within else place + shift


def _is_harmless(lines: list[str], index: int) -> bool:
    """Whether all keys on the line and the nearest ones above with less indentation are known to hold no secrets."""
    keys = _KEY.findall(lines[index])
    indentation = _indentation(lines[index])
    for line in reversed(lines[:index]):
        if line.strip() and not line.lstrip().startswith("#") and _indentation(line) < indentation:
            keys += _KEY.findall(line)
            indentation = _indentation(line)
    return bool(keys) and all(key in _HARMLESS for key in keys)


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
