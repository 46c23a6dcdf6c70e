"""The files of what gives access to InfluxDB, each readable by its owner alone, and which token we made. Shell."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from influx.blueprint import GRAFANA_TOKEN, OWN_TOKEN
from opswatch.configuration_files import EmptyFile, UnusableFile, read_secret
from opswatch.data_directory import DataDirectory, write_atomically
from telemetry.errors import OutputError

_SECRET_BYTES = 48  # a password of InfluxDB has 72 characters at most; this makes 64


@dataclass(frozen=True, slots=True)
class InfluxKeys:
    """Where the secrets are: below keys/ of the data directory, but OpsWatch's own token where its settings say.

    `influx_tokens.json` has no secret in it: which authorization each token that was made here belongs to, and the
    hash by which the token is known again (its value is random, so the hash says nothing of it).
    """

    directory: DataDirectory
    own_token: Path

    def file_of(self, name: str) -> Path:
        """The file of the token of this name (influx/blueprint.py)."""
        return {OWN_TOKEN: self.own_token, GRAFANA_TOKEN: self.directory.keys / "influx_grafana_token"}[name]

    def token(self, name: str) -> SecretStr | None:
        """What the file of a token holds; None where it is missing or empty. Raises OutputError."""
        return read_token(self.file_of(name))

    def authorization(self, name: str, token: SecretStr) -> str | None:
        """The id of the authorization of a token that was made here; None of one that somebody else put there."""
        made = self._note(name, token)
        return None if made is None else str(made.get("authorization"))

    def check_room(self, name: str) -> None:
        """Whether a new token could be kept, before one is made. Raises OutputError."""
        file = self.file_of(name)
        if not os.access(file.resolve().parent, os.W_OK | os.X_OK):
            raise OutputError(
                f"a new token cannot be put into {file}: its folder is missing or cannot be written"
                " (name another file by storage.influxdb.token_file, or none: then it is kept in the data directory)"
            )

    def keep(self, name: str, token: SecretStr, authorization: str) -> None:
        """Put a new token into its file. Raises OutputError."""
        # First the note, then the token: if we end in between, the note names a token that is in no file, and beside
        # it the one that is in the file still, which otherwise would be taken for somebody's.
        note: dict[str, object] = {"authorization": authorization, "sha256": _digest(token)}
        before = self.token(name)
        if before is not None and (known := self._note(name, before)) is not None:
            note["before"] = {key: known.get(key) for key in ("authorization", "sha256")}
        _write(self._notes, json.dumps({**self._made(), name: note}, indent=2))
        _write(self.file_of(name), token.get_secret_value())

    @property
    def _notes(self) -> Path:
        return self.directory.keys / "influx_tokens.json"

    def _note(self, name: str, token: SecretStr) -> dict[str, object] | None:
        """What is noted of a token that was made here."""
        made = self._made().get(name)
        while isinstance(made, dict):
            if made.get("sha256") == _digest(token):
                return made
            made = made.get("before")
        return None

    def _made(self) -> dict[str, object]:
        try:
            made = json.loads(self._notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return made if isinstance(made, dict) else {}

    def exposed(self) -> tuple[Path, ...]:
        """The files with secrets that were made here and that others on this machine can read."""
        made = [self.file_of(name) for name in self._made() if name in {OWN_TOKEN, GRAFANA_TOKEN}]
        found = []
        for file in (*made, self.owner_password, self.owner_token):
            with suppress(OSError):
                if file.stat().st_mode & 0o077:
                    found.append(file)
        return tuple(found)

    # The owner of a server that was set up here

    @property
    def owner_token(self) -> Path:
        return self.directory.keys / "influx_owner_token"

    @property
    def owner_password(self) -> Path:
        return self.directory.keys / "influx_owner_password"

    def owner(self) -> tuple[SecretStr, SecretStr]:
        """(password, token) for a setup, on disk before it begins: whatever happens then, they are known.

        Those of a setup that was cut off are taken again. Raises OutputError when there is an owner's token already.
        """
        if self.owner_token.exists():
            raise OutputError(
                f"{self.owner_token} holds the owner's token of a server that was set up before, and the one that is"
                " named now is empty (is it the right one? if so, move that file away and try again)"
            )
        kept = []
        for file in (self.owner_password, self.owner_token):
            pending = _pending(file)
            secret = read_token(pending)
            if secret is None:
                secret = SecretStr(secrets.token_urlsafe(_SECRET_BYTES))
                _write(pending, secret.get_secret_value())
            kept.append(secret)
        return kept[0], kept[1]

    def pending_owner(self) -> SecretStr | None:
        """The owner's token of a setup that began here and was not seen to end."""
        return read_token(_pending(self.owner_token))

    def settle_owner(self) -> None:
        """The setup was ours: give the files their names."""
        for file in (self.owner_password, self.owner_token):
            with suppress(FileNotFoundError):
                _pending(file).replace(file)

    def forget_owner(self) -> None:
        """The setup was somebody else's: what was made for ours is nobody's."""
        for file in (self.owner_password, self.owner_token):
            _pending(file).unlink(missing_ok=True)

    @asynccontextmanager
    async def locked(self, wait: Callable[[], None]) -> AsyncIterator[None]:
        """One apply on this data directory at a time; `wait` is called when another one must end first."""
        lock = self.directory.keys / "influx.lock"
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OutputError(f"{lock} cannot be written: {error.strerror or error}") from error
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    wait()
                    # Not a lock that blocks in a thread: nobody could interrupt that one.
                    await asyncio.sleep(0.2)
            yield
        finally:
            os.close(descriptor)


def read_token(file: Path) -> SecretStr | None:
    """What a file holds; None where it is missing or empty. Raises OutputError when it cannot be read, or holds what
    is no token: somebody needs that for something else."""
    try:
        return read_secret(file)
    except EmptyFile:
        return None
    except UnusableFile as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise OutputError(f"{error} (it is left as it is: name another file for the token, or move it away)") from error


def _pending(file: Path) -> Path:
    return file.with_name(f"{file.name}.pending")


def _digest(token: SecretStr) -> str:
    return hashlib.sha256(token.get_secret_value().encode("utf-8")).hexdigest()


def _write(file: Path, text: str) -> None:
    try:
        # What a name leads to is replaced, not the name.
        write_atomically(file.resolve(), f"{text}\n")
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror or error}") from error
