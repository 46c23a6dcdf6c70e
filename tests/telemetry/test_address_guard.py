"""Where a probe must not be led."""

import pytest

from telemetry.address_guard import is_forbidden, is_named_literally


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "100.100.100.200",
    ],
)
def test_metadata_and_link_local_addresses_are_forbidden_in_every_disguise(address: str) -> None:
    """Mapped, translated, tunnelled: the address inside counts."""
    assert is_forbidden(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd12::1", "93.184.216.34"])
def test_private_and_public_addresses_are_not(address: str) -> None:
    """The operator's own targets may be private."""
    assert not is_forbidden(address)


@pytest.mark.parametrize(
    ("host", "literally"),
    [("169.254.169.254", True), ("metadata.internal", False), ("2852039166", False), ("0xa9fea9fe", False)],
)
def test_only_the_address_itself_names_it(host: str, literally: bool) -> None:
    """Neither a name nor a number that happens to resolve to it."""
    assert is_named_literally(host, "169.254.169.254") is literally
