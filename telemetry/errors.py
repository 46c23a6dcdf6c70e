"""Every error that OpsWatch raises on purpose, in one tree. Pure.

::

    OpsWatchError
    ├── ConfigurationError        a setting, a file or a command line is wrong; all faults at once
    ├── InvalidRequest            what somebody asked for makes no sense; names the field and the value
    │   ├── InvalidQuery          a series query
    │   └── QueryTooLarge         a query that would read or return more than is allowed
    ├── Unauthenticated           nobody, or a token or session that is not good
    ├── Forbidden                 somebody, but without the role
    ├── NotFound                  no such service, measurement, page
    ├── Conflict                  it exists already, or changed meanwhile
    ├── Gone                      it was good once, and is not any more: a link that was used, or has expired
    ├── TooManyRequests           slow down; `retry_after` says for how long
    ├── PointRejected             one point that the schema registry cannot take; its neighbours go on
    ├── QueryTimedOut             the deadline of a query passed; the engine was told to stop
    ├── StoreUnavailable          a store cannot take or give anything at the moment; a retry makes sense
    │   ├── StoreDamaged          its file is no store, or broken: it is to be set aside
    │   └── DiskLow               there is not enough room on the disk for work that can wait
    ├── SpoolFull                 a point could not be acknowledged: the buffer on disk cannot take it
    ├── ListenError               the address cannot be listened on: in use, not ours, not allowed
    ├── ServerError               a command asked a server, and it could not be reached or refused
    ├── BackupError               a backup cannot be made there, or is not whole and cannot be restored
    ├── OutputError               a command cannot write what it was asked for
    └── DataDirectoryError        the data directory cannot be used
        ├── DataDirectoryInUse    another process holds its LOCK
        └── DataDirectoryTooNew   a later version of OpsWatch wrote it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class OpsWatchError(Exception):
    """The root. `code` is stable and machine-readable; the message is for people.

    `field` and `value` name what was wrong, where one thing was.
    """

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, field: str | None = None, value: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = value


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in the configuration.

    `source` is a file's name, `environment` or `command line`; `line` and `column` count from 1;
    `field` is a path as `services[0].probes[1].interval`; `hint` is the way out.
    """

    message: str
    source: str
    field: str = ""
    line: int | None = None
    column: int | None = None
    hint: str = ""

    def __str__(self) -> str:
        place = self.source
        if self.line is not None:
            place += f":{self.line}"
            if self.column is not None:
                place += f":{self.column}"
        subject = f" {self.field}:" if self.field else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}:{subject} {self.message}{hint}"


class ConfigurationError(OpsWatchError):
    """The configuration has faults: all of them, in the order of the file."""

    code = "configuration"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class InvalidRequest(OpsWatchError):
    code = "invalid_request"


class InvalidQuery(InvalidRequest):
    code = "invalid_query"


class QueryTooLarge(InvalidRequest):
    code = "query_too_large"


class Unauthenticated(OpsWatchError):
    code = "unauthenticated"


class Forbidden(OpsWatchError):
    code = "forbidden"


class NotFound(OpsWatchError):
    code = "not_found"


class Conflict(OpsWatchError):
    code = "conflict"


class Gone(OpsWatchError):
    code = "gone"


class TooManyRequests(OpsWatchError):
    """`retry_after` is in seconds."""

    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PointRejected(OpsWatchError):
    code = "point_rejected"


class QueryTimedOut(OpsWatchError):
    code = "query_timed_out"


class StoreUnavailable(OpsWatchError):
    code = "store_unavailable"


class DiskLow(StoreUnavailable):
    code = "disk_low"


class StoreDamaged(StoreUnavailable):
    """`reason` is what the engine says, on one line."""

    code = "store_damaged"

    def __init__(self, message: str, *, reason: str, value: str) -> None:
        super().__init__(message, field="data_dir", value=value)
        self.reason = reason


class SpoolFull(OpsWatchError):
    code = "spool_full"


class ListenError(OpsWatchError):
    code = "listen"


class ServerError(OpsWatchError):
    """`refusal` is the code of the error that the server answered with; empty when it did not answer so."""

    code = "server"

    def __init__(self, message: str, *, refusal: str = "") -> None:
        super().__init__(message)
        self.refusal = refusal


class BackupError(OpsWatchError):
    code = "backup"


class OutputError(OpsWatchError):
    code = "output"


class DataDirectoryError(OpsWatchError):
    code = "data_directory"


class DataDirectoryInUse(DataDirectoryError):
    code = "data_directory_in_use"


class DataDirectoryTooNew(DataDirectoryError):
    code = "data_directory_too_new"
