"""Where webhooks may go: the guard against requests that are forged from the inside (SSRF).

A URL is checked when a merchant gives it and again before every attempt. A name is resolved once
and every address of it must be allowed; the caller then connects to one of exactly these
addresses, so a name that changes between check and connect changes nothing. The grammar is
narrower than RFC 3986 on purpose: what two parsers could read differently is refused.

    invalid_webhook_url       the text is not a URL of the kind that we call
    webhook_target_forbidden  it leads, or one of its addresses leads, where we do not go
    webhook_url_unresolvable  the name has no address now
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rizzpay.core.errors import Misconfigured, Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Shaped like socket.getaddrinfo(host, port, type=…).
Resolver = Callable[..., Sequence[tuple[Any, Any, Any, Any, Any]]]

URL_LENGTH_MAX = 2048
NAME_LENGTH_MAX = 253  # RFC 1035 section 2.3.4, without the dot at the end
ADDRESSES_MAX = 32  # a name with more is no receiver of webhooks
DEFAULT_PORTS = {"https": 443, "http": 80}

# Characters of RFC 3986 sections 3.3 and 3.4, with whole percent-encodings only.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
    r"(?P<query>\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_QUAD = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # WHATWG URL, "ends in a number checker"

# Ports on which something else listens that could take an HTTP request for its own language:
# the "bad ports" of the WHATWG Fetch standard.
_BAD_PORTS = frozenset(
    {
        1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
        102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389,
        427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636,
        989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665,
        6666, 6667, 6668, 6669, 6679, 6697, 10080,
    }
)  # fmt: skip
# What the appliance itself runs on an operator's network: etcd, PostgreSQL, Valkey, Sentinel and
# Patroni, whose REST interface restarts a database on one POST.
_OWN_PORTS = frozenset({2379, 2380, 5432, 5433, 6379, 26379, 8008})


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Nobody may open these, also not an operator: this host, this link, everybody, the metadata
# services of clouds, and the IPv6 forms that carry an IPv4 address past a check.
NEVER = _networks(
    "0.0.0.0/8",  # "this network", RFC 791; reaches the local host on Linux
    "169.254.0.0/16",  # link local, RFC 3927; 169.254.169.254 is the metadata service
    "224.0.0.0/4",  # multicast, RFC 5771
    "255.255.255.255/32",  # broadcast, RFC 919
    "100.100.100.200/32",  # metadata service of Alibaba Cloud
    "168.63.129.16/32",  # Azure's host agent; looks like any public address
    "192.0.0.192/32",  # metadata service of Oracle Cloud
    "::/128",  # unspecified
    "::/96",  # IPv4-compatible, RFC 4291; ::1 is looked at before
    "::ffff:0:0/96",  # IPv4-mapped, RFC 4291
    "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
    "64:ff9b::/96",  # NAT64, RFC 6052
    "64:ff9b:1::/48",  # NAT64 for local use, RFC 8215
    "2001::/32",  # Teredo, RFC 4380
    "2002::/16",  # 6to4, RFC 3056
    "fe80::/10",  # link local, RFC 4291
    "fec0::/10",  # site local, RFC 3879
    "ff00::/8",  # multicast, RFC 4291
    "fd00:ec2::254/128",  # metadata service of AWS
    "fd20:ce::254/128",  # metadata service of Google Cloud
)
# Not reachable over the internet, so only with an operator's word. Source: IANA's special-purpose
# address registries (RFC 6890). Python's own `is_global` is asked too, but differs by release.
PRIVATE = _networks(
    "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
    "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
    "::1/128", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2620:4f:8000::/48",
    "3fff::/20", "5f00::/16", "fc00::/7",
)  # fmt: skip
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")  # all that IANA has given out for global unicast


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that was checked, and the addresses that may be connected to for it."""

    url: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str
    host: str  # lower case; an address without brackets
    port: int


class Guard:
    """Checks URLs against an operator's list of private networks."""

    def __init__(
        self, private_targets: Sequence[str], resolver: Resolver = socket.getaddrinfo
    ) -> None:
        """Take CIDRs; raises Misconfigured when one is none."""
        try:
            self._opened = tuple(ipaddress.ip_network(text) for text in private_targets)
        except ValueError as error:
            raise Misconfigured(f"webhooks.private_targets: {error}") from None
        self._resolver = resolver

    def check(self, url: str) -> Target:
        """Return where `url` leads; asks DNS once. Raises Refused with param url."""
        parts = _split(url)
        if parts.port in _BAD_PORTS or parts.port in _OWN_PORTS:
            raise _forbidden(f"Port {parts.port} is not one on which webhooks are received.")
        literal = _literal(parts.host)
        addresses = [literal] if literal is not None else self._resolve(parts)
        for address in addresses:
            self._allow(address, parts.scheme)
        return Target(url, tuple(str(address) for address in addresses))

    def _resolve(self, parts: _Parts) -> list[Address]:
        """Return every address of a name, each once, in the resolver's order."""
        try:
            found = self._resolver(parts.host, parts.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            found = []
        texts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not texts:
            raise Refused("webhook_url_unresolvable", "The host name has no address.", param="url")
        if len(texts) > ADDRESSES_MAX:
            raise _forbidden("The host name has too many addresses.")
        if any("%" in text for text in texts):  # an address of one link, with its interface
            raise _forbidden("The host name leads to an address that is not allowed.")
        return [ipaddress.ip_address(text) for text in texts]

    def _allow(self, address: Address, scheme: str) -> None:
        """Let an address pass; the answer does not tell what is at it."""
        opened = self._is_opened(address)
        if not opened and not _is_public(address):
            raise _forbidden(
                "The URL leads to an address that is not on the internet. An operator opens "
                "private networks in webhooks.private_targets."
            )
        if scheme != "https" and not opened:
            raise _forbidden("Use https; plain http is for networks that an operator opened.")

    def _is_opened(self, address: Address) -> bool:
        if address.is_loopback:  # a wide network does not open it by the way
            return any(network.is_loopback and address in network for network in self._opened)
        return not _is_never(address) and any(address in network for network in self._opened)


def _split(url: str) -> _Parts:
    match = _URL.fullmatch(url) if len(url) <= URL_LENGTH_MAX else None
    if match is None:
        raise _invalid(
            "Give an absolute URL: https, a host, perhaps a port, a path and a query; "
            "no user, no fragment, at most 2,048 characters."
        )
    port = int(match["port"] or DEFAULT_PORTS[match["scheme"]])
    if port > 65_535:  # noqa: PLR2004 - ports have 16 bits
        raise _invalid("The port is a number from 1 to 65535.")
    return _Parts(match["scheme"], match["host"].lower(), port)


def _literal(host: str) -> Address | None:
    """Return the address that a host is written as; None for a name."""
    if host.startswith("["):
        try:
            return ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise _invalid("What stands in brackets is not an IPv6 address.") from None
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]) or not labels[-1]:
        if not _QUAD.fullmatch(host):
            raise _invalid("Write an IPv4 address as four decimal numbers, without leading zeros.")
        try:
            return ipaddress.IPv4Address(host)
        except ValueError:
            raise _invalid("The numbers of an IPv4 address go from 0 to 255.") from None
    if len(labels) < 2:  # noqa: PLR2004 - one label hangs on the search list of this host
        raise _invalid("Give the host's full name, with its domain, or an address.")
    if len(host) > NAME_LENGTH_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise _invalid("The host name has a part that names of hosts do not have.")
    return None


def _is_never(address: Address) -> bool:
    return any(address in network for network in NEVER)


def _is_public(address: Address) -> bool:
    """Tell whether an address is an ordinary one of the internet."""
    if _is_never(address) or any(address in network for network in PRIVATE):
        return False
    if address.version == 6 and address not in _GLOBAL_IPV6:  # noqa: PLR2004 - IPv6
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _invalid(message: str) -> Refused:
    return Refused("invalid_webhook_url", message, param="url")


def _forbidden(message: str) -> Refused:
    return Refused("webhook_target_forbidden", message, param="url")
