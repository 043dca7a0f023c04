"""
Who a client is: its address, seen through the proxies that the operator trusts.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import attrs

_Address = IPv4Address | IPv6Address


@attrs.frozen
class Client:
    """
    :ivar address: for the log.
    :ivar key: what connections are counted by: the address, of IPv6 its /64; None
        for a client that is not counted by address.
    """

    address: str
    key: str | None


class Proxies:
    """
    The networks whose ``X-Forwarded-For`` counts.

    :param networks: CIDRs.
    :raises ValueError: one of them is none.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(network, strict=False) for network in networks
        ]

    def client(self, peer: str | None, forwarded: Sequence[bytes]) -> Client:
        """
        Walk the header from the right, for only what our own proxies appended is true:
        the client is the first hop that is not one of them.

        :param peer: the address at the other end of the connection; None for a UNIX
            socket, at whose other end only a local proxy can be.
        :param forwarded: the values of ``X-Forwarded-For``.
        """
        if not forwarded:
            return _at(peer)
        address = _parse(peer) if peer is not None else None
        if peer is not None and address is None:
            return _at(peer)
        hops = b",".join(forwarded).split(b",")
        while hops and (address is None or self._trusts(address)):
            before = _parse(hops.pop().decode("latin-1").strip())
            if before is None:
                break
            address = before
        if address is None:
            return Client("unix", None)
        return Client(str(address), _key(address))

    def _trusts(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


@lru_cache(256)  # a client that comes back, and whoever is behind the same proxy
def _at(peer: str | None) -> Client:
    """
    A client that connects by itself.
    """
    address = _parse(peer) if peer is not None else None
    if peer is not None and address is None:
        return Client(peer, peer)
    if address is None or address.is_loopback:
        return Client(str(address or "unix"), None)
    return Client(str(address), _key(address))


@lru_cache(256)
def _parse(text: str) -> _Address | None:
    """
    An address as proxies write it: some add a port, or brackets.
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _key(address: _Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))
