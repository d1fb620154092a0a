"""How often an address was refused lately, and how long it has to wait for that."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 10
"""Failed attempts that an address may make within the window."""
WINDOW = 60.0
"""Seconds after which a failed attempt is forgotten."""
ADDRESSES = 10_000
"""Addresses that are remembered; beyond that, the one that failed longest ago is forgotten."""


class Attempts:
    """The failed attempts by address; the clock is in seconds and only ever goes forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> int:
        """Give the seconds that an address must wait for its next attempt; 0 when it need not."""
        failures = self._failures.get(place(address))
        if failures is None or len(failures) < LIMIT:
            return 0
        return max(0, math.ceil(failures[0] + WINDOW - self._clock()))

    def failed(self, address: str) -> None:
        """Count an attempt that was refused."""
        failed = place(address)
        self._failures.setdefault(failed, deque(maxlen=LIMIT)).append(self._clock())
        self._failures.move_to_end(failed)
        if len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address, which others may share behind a proxy."""
        self._failures.pop(place(address), None)


def place(address: str) -> str:
    """Give what is counted as one: an IPv4 address, or the /64 that one IPv6 host can fill."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip), 64), strict=False))
