"""Which hosts may connect, and from which network address a person asks behind a proxy."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IpNetwork = IPv4Network | IPv6Network
IpAddress = IPv4Address | IPv6Address


class Peers:
    """This host, and the proxies that are trusted."""

    def __init__(self, trusted: Sequence[IpNetwork]) -> None:
        self._trusted = tuple(trusted)

    def may_connect(self, peer: str) -> bool:
        """Whether a host is this one, or a trusted proxy."""
        address = _parsed(peer)
        return address is not None and self._is_ours(address)

    def client(self, peer: str, forwarded_for: str | None) -> str:
        """Who asks: the last address of `X-Forwarded-For` that is no proxy of ours. Each proxy appends the one that it
        saw, so what stands before it may be invented."""
        last = peer
        for word in reversed((forwarded_for or "").split(",")):
            address = _parsed(word.strip())
            if address is None:
                break
            last = str(address)
            if not self._is_ours(address):
                break
        return last

    def _is_ours(self, address: IpAddress) -> bool:
        return address.is_loopback or any(address in network for network in self._trusted)


def _parsed(text: str) -> IpAddress | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
