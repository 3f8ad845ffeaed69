"""Connections to hosts of the public internet alone, whatever a name is resolved to."""

import http.client
import ipaddress
import socket

from pydantic import HttpUrl

from kapbench.errors import KapbenchError

_FIX = "Give a public https address without a port, a user name or a password"
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def connect(url: HttpUrl, timeout_s: float) -> http.client.HTTPConnection:
    """An encrypted connection to one of the addresses that were checked: no name is resolved again.

    Raises:
        KapbenchError: an address with a user name, a password or a port of its own, or a host that
            is unknown or has an address inside a network (private, loopback, link-local, reserved).
        OSError: the host does not answer, or its certificate is not its own.
    """
    import httpx2

    if url.scheme != "https" or url.port != 443 or url.username or url.password:
        raise KapbenchError("This address is not accepted for records", place=url, fix=_FIX)
    name, addresses = url.host or "", public_addresses(url)
    context = httpx2.create_ssl_context()
    connection = http.client.HTTPSConnection(name, timeout=timeout_s, context=context)
    plain = socket.create_connection((addresses[0], 443), timeout_s)
    try:
        connection.sock = context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise
    return connection


def public_addresses(url: HttpUrl) -> list[str]:
    """The IP addresses of a host. KapbenchError where one is not public, or there is none."""
    try:
        hosts = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise KapbenchError(
            f"The host has no address: {error}", place=url, fix="Correct the address"
        ) from error
    addresses = [str(address[0]) for *_, address in hosts]
    for address in addresses:
        if not is_public(address):
            raise KapbenchError(
                f"The host has the address {address}, which is not public", place=url, fix=_FIX
            )
    return addresses


def is_public(text: str) -> bool:
    """Whether an IP address belongs to the public internet; of IPv6, also the IPv4 address in it."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast
