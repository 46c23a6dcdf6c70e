"""The files that `opswatch.yaml` and the environment name: read, and looked at while a mistake is cheap. Shell."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from alerting.message_template import check_body
from opswatch.configuration_faults import fault_at
from opswatch.configuration_values import quoted
from opswatch.yaml_document import MAX_BYTES, Document
from opswatch.yaml_document import Path as Place
from telemetry.errors import Fault

MAX_SECRET_BYTES = 16_384


class UnusableFile(Exception):
    """A file that is named and cannot be used: why."""


class EmptyFile(UnusableFile):
    """There is nothing in it that could be lost."""


@dataclass(slots=True)
class NamedFiles:
    """What the files that a configuration names were found to hold."""

    document: Document
    source: str
    folder: Path
    passwords: dict[str, SecretStr] = field(default_factory=dict)  # by the whole path
    texts: dict[str, str] = field(default_factory=dict)  # templates, likewise
    faults: list[Fault] = field(default_factory=list)
    _seen: set[Any] = field(default_factory=set)

    def place(self, name: str) -> Path:
        """A name in the file is relative to the file."""
        return self.folder / name

    def look_at(self, value: Any) -> None:
        """Look at every file that is named, once each; what is wrong is added to `faults`."""
        for path, probe in _mappings(value, ("services", None, "probes", None)):
            self._look_at_probe(path, probe)
        for path, tls in _mappings(value, ("tls",)):
            if _are_names(tls.get("certificate"), tls.get("key")):
                self._try(path, check_chain, tls["certificate"], tls["key"])
        for path, influx in _mappings(value, ("storage", "influxdb")):
            for key, look in (("ca_file", check_authorities), ("token_file", self._read_password)):
                if _are_names(influx.get(key)):
                    self._try((*path, key), look, influx[key])
        for path, pages in _mappings(value, ("dashboards",)):
            if _are_names(pages.get("config_file")):
                self._try((*path, "config_file"), check_readable, pages["config_file"])
        for way in (("smtp",), ("receivers", None), ("dead_mans_switch",)):
            self._look_at_telling(value, way)

    def _look_at_telling(self, value: Any, way: tuple[str | None, ...]) -> None:
        for path, item in _mappings(value, way):
            self._look_at_receiver(path, item)

    def _look_at_receiver(self, path: Place, item: dict[str, Any]) -> None:
        for key in ("password_file", "url_file", "secret_file", "previous_secret_file"):
            if _are_names(item.get(key)):
                self._try((*path, key), self._read_password, item[key])
        if _are_names(item.get("ca_file")):
            self._try((*path, "ca_file"), check_authorities, item["ca_file"])
        if _are_names(item.get("template_file")):
            read = partial(self._read_template, str(item.get("content_type") or "application/json"))
            self._try((*path, "template_file"), read, item["template_file"])

    def _read_template(self, content_type: str, file: Path) -> None:
        text = read_document_bytes(file).decode("utf-8", "replace")
        wrong = check_body(text, content_type)
        if wrong is not None:
            raise UnusableFile(f"{quoted(str(file))}: {wrong}")
        self.texts[str(file)] = text

    def _look_at_probe(self, path: Place, probe: dict[str, Any]) -> None:
        authorities, certificate, key = (probe.get(name) for name in ("ca_file", "client_certificate", "client_key"))
        if _are_names(authorities):
            self._try((*path, "ca_file"), check_authorities, authorities)
        if _are_names(certificate) and (key is None or _are_names(key)):
            self._try((*path, "client_certificate"), check_chain, certificate, key)
        basic = probe.get("basic_auth")
        name = basic.get("password_file") if isinstance(basic, dict) else None
        if _are_names(name):
            self._try((*path, "basic_auth", "password_file"), self._read_password, name)

    def _read_password(self, file: Path) -> None:
        self.passwords[str(file)] = read_secret(file)

    def _try(self, path: Place, look: Callable[..., None], *names: str | None) -> None:
        files = tuple(None if name is None else self.place(name) for name in names)
        if (look, files) in self._seen:
            return
        try:
            look(*files)
            self._seen.add((look, files))
        except UnusableFile as error:
            hint = "a relative name is looked up beside the configuration file"
            self.faults.append(fault_at(self.document, self.source, path, str(error), hint))


def read_document_bytes(file: Path, most: int = MAX_BYTES) -> bytes:
    """The content, no more of it than can be a configuration, and a byte. Raises UnusableFile."""
    try:
        with file.open("rb") as stream:
            return stream.read(most + 1)
    except (OSError, ValueError) as error:
        raise UnusableFile(_why(file, error)) from error


def read_secret(file: Path) -> SecretStr:
    """The secret that a file holds, without the line's end. Raises UnusableFile, which never quotes it."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_SECRET_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UnusableFile(_why(file, error)) from error
    if len(content) > MAX_SECRET_BYTES:
        raise UnusableFile(f"{quoted(str(file))} is too long: a secret has at most {MAX_SECRET_BYTES:,} bytes")
    try:
        text = content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise UnusableFile(f"the file {quoted(str(file))} is not UTF-8 text") from None
    if not text:
        raise EmptyFile(f"{quoted(str(file))} is empty")
    if "\n" in text or "\0" in text:
        raise UnusableFile(f"{quoted(str(file))} must hold one line, the secret")
    return SecretStr(text)


def check_readable(file: Path) -> None:
    """Raises UnusableFile when it cannot be read."""
    try:
        with file.open("rb") as stream:
            stream.read(1)
    except (OSError, ValueError) as error:
        raise UnusableFile(_why(file, error)) from error


def check_authorities(file: Path) -> None:
    """Raises UnusableFile when it holds no certificates."""
    check_readable(file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except (ssl.SSLError, ValueError) as error:
        raise UnusableFile(f"the file {quoted(str(file))} holds no certificate in PEM form") from error


def check_chain(certificate: Path, key: Path | None) -> None:
    """Raises UnusableFile when the certificate and its key cannot be used together."""
    for file in filter(None, (certificate, key)):
        check_readable(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without this answer OpenSSL would ask on the terminal for the passphrase of an encrypted key.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        raise UnusableFile(_chain_problem(certificate, key, error)) from error


def _chain_problem(certificate: Path, key: Path | None, error: Exception) -> str:
    names = " and ".join(quoted(str(file)) for file in (certificate, key) if file is not None)
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"{names}: the key is not that of the certificate"
    return f"{names}: no certificate with its private key, both PEM and the key without a passphrase"


def _mappings(value: Any, way: tuple[str | None, ...], path: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The mappings at the end of the way, whatever else the file holds; None stands for each item of a list."""
    if not way:
        if isinstance(value, dict):
            yield path, value
    elif way[0] is None:
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from _mappings(item, way[1:], (*path, index))
    elif isinstance(value, dict):
        yield from _mappings(value.get(way[0]), way[1:], (*path, way[0]))


def _are_names(*values: Any) -> bool:
    return all(isinstance(value, str) and value and "\0" not in value for value in values)


def _why(file: Path, error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):  # a NUL in the name
        return f"{quoted(str(file))} cannot be a file's name"
    reasons = {2: "does not exist", 13: "cannot be read: permission denied", 21: "is a directory", 20: "does not exist"}
    return f"the file {quoted(str(file))} {reasons.get(error.errno or 0, f'cannot be read: {error.strerror}')}"
