"""When a change of a server can be made, and what somebody must say before it is. Pure."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Permission(StrEnum):
    """What somebody must say before a change is made; the words of the command line."""

    SET_UP = "--setup"
    DATA_LOSS = "--allow-data-loss"
    REPLACE = "--replace-tokens"


class Stage(IntEnum):
    """When a change can be made: those of a later stage only when the earlier ones are."""

    SET_UP = 1
    BUCKETS = 2
    TOKENS = 3
    TASKS = 4
    DASHBOARDS = 5
    LEFTOVERS = 6
