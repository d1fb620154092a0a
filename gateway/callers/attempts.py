"""Throttling of addresses that send wrong credentials."""

from __future__ import annotations

import functools
import ipaddress
import math
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 10
"""Failed attempts allowed per address within the window."""
WINDOW = 60.0
"""Seconds after which a failed attempt is forgotten."""
ADDRESSES = 10_000
"""Maximum number of addresses; beyond it, the one whose last failure is oldest is evicted."""


class Attempts:
    """Failed attempts by address; ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> int:
        """Return the seconds until an address may try again; 0 if it may now."""
        failures = self._failures.get(network_of(address))
        if failures is None or len(failures) < LIMIT:
            return 0
        return max(0, math.ceil(failures[0] + WINDOW - self._clock()))

    def failed(self, address: str) -> None:
        """Record a failed attempt."""
        failed = network_of(address)
        self._failures.setdefault(failed, deque(maxlen=LIMIT)).append(self._clock())
        self._failures.move_to_end(failed)
        if len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address: behind a proxy, others may share it."""
        self._failures.pop(network_of(address), None)


@functools.lru_cache(256)  # parsing takes a tenth of the time of an answer that is kept
def network_of(address: str) -> str:
    """Return an IPv4 address unchanged, or the /64 network of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip), 64), strict=False))
