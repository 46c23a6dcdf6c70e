"""TLS for probes: contexts that follow their files, certificates' days, failures in words. Shell."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from cryptography import x509

from collector.targets import HttpRequestSpec
from telemetry.health import Outcome

# X509_V_ERR_* of OpenSSL (openssl-verification-options(1)).
_CERTIFICATE_FAULTS = {
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    18: "the certificate is self-signed and not trusted (give ca_file to trust it)",
    19: "the certificate's chain ends in one that is self-signed and not trusted (give ca_file to trust it)",
    20: "the certificate's issuer is not known (give ca_file, or let the server send the whole chain)",
    21: "the certificate's issuer is not known (give ca_file, or let the server send the whole chain)",
    23: "the certificate was revoked",
    62: "the certificate is for another host",
    64: "the certificate is for another address",
}


@dataclass(frozen=True, slots=True)
class _ContextKey:
    verify: bool
    files: tuple[tuple[str, int, int] | None, ...]  # authority, certificate, key: path, mtime in ns, size


class TlsContexts:
    """One context per set of files; a file that was renewed makes a new one."""

    def __init__(self) -> None:
        self._contexts: dict[_ContextKey, ssl.SSLContext] = {}

    def context(self, request: HttpRequestSpec) -> ssl.SSLContext:
        """The context for a request. Raises OSError or ssl.SSLError when a file cannot be used; may block some ms."""
        files = (request.ca_file, request.client_certificate, request.client_key)
        key = _ContextKey(request.verify_tls, tuple(None if path is None else _identity(path) for path in files))
        context = self._contexts.get(key)
        if context is None:
            if len(self._contexts) > 1_000:  # of files that were renewed long ago
                self._contexts.clear()
            context = self._contexts[key] = _make(request)
        return context


def certificate_days_left(der: bytes, now: datetime) -> float:
    """Days until the certificate ends; negative when it has."""
    return (_not_after(der) - now) / timedelta(days=1)


def tls_failure(error: ssl.SSLError) -> tuple[Outcome, str]:
    """The outcome and its sentence."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = _CERTIFICATE_FAULTS.get(error.verify_code, f"the certificate is not accepted: {error.verify_message}")
        if error.verify_code in {62, 64}:
            text += f": {error.verify_message}"
        return Outcome.CERTIFICATE, text
    if error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
        return Outcome.TLS, "the TLS handshake failed: what came is not TLS (does it speak plain http?)"
    reason = (error.reason or str(error)).replace("_", " ").lower()
    return Outcome.TLS, f"the TLS handshake failed: {reason}"


def _identity(path: Path) -> tuple[str, int, int]:
    stat = path.stat()
    return str(path), stat.st_mtime_ns, stat.st_size


def _make(request: HttpRequestSpec) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=request.ca_file)
    if not request.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if request.client_certificate is not None:
        context.load_cert_chain(request.client_certificate, request.client_key)
    return context


@lru_cache(maxsize=5_000)
def _not_after(der: bytes) -> datetime:
    return x509.load_der_x509_certificate(der).not_valid_after_utc
