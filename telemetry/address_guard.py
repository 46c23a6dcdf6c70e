"""Where a request must not be led: link-local addresses, the metadata services of clouds, private networks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_FORBIDDEN = tuple(
    ip_network(network)
    for network in (
        "169.254.0.0/16",  # link-local, and the metadata service of most clouds (169.254.169.254)
        "fe80::/10",  # link-local
        "fd00:ec2::/32",  # Amazon's metadata over IPv6
        "fd20:ce::/32",  # Google's
        "100.100.100.200/32",  # Alibaba's
        "192.0.0.192/32",  # Oracle's
    )
)
_NAT64 = ip_network("64:ff9b::/96")


def is_forbidden(address: str) -> bool:
    """Whether an address, once its wrappings are taken off, is one that only a literal in the configuration reaches."""
    parsed = _unwrapped(address)
    return any(parsed.version == network.version and parsed in network for network in _FORBIDDEN)


def is_nobody(address: str) -> bool:
    """Whether an address is no single machine's: unspecified, multicast, reserved."""
    parsed = _unwrapped(address)
    return parsed.is_unspecified or parsed.is_multicast or parsed.is_reserved


def is_private(address: str, allowed: Sequence[IPv4Network | IPv6Network] = ()) -> bool:
    """Whether an address is this machine's or of a network that is not public, and of none that is allowed."""
    parsed = _unwrapped(address)
    if any(parsed.version == network.version and parsed in network for network in allowed):
        return False
    return not parsed.is_global


def is_loopback(host: str) -> bool:
    """Whether a host, as it is written, is this machine itself."""
    if host.lower().rstrip(".") == "localhost" or host.lower().rstrip(".").endswith(".localhost"):
        return True
    try:
        return _unwrapped(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_named_literally(host: str, address: str) -> bool:
    """Whether the host is this very address, written as one: not a name, and not a number that resolves to it."""
    try:
        return ip_address(host.strip("[]")) == ip_address(address.partition("%")[0])
    except ValueError:
        return False


def _unwrapped(address: str) -> IPv4Address | IPv6Address:
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return parsed.ipv4_mapped
        if parsed.sixtofour is not None:
            return parsed.sixtofour
        if parsed in _NAT64:
            return IPv4Address(int(parsed) & 0xFFFFFFFF)
    return parsed
