"""The registry of vendors.

Each vendor has a kit, a ``Vendor`` class (``gateway.vendors.base``). It adds the vendor to the
GraphQL schema, the configuration and the documentation. Kits come from

- the packages of this folder that ``_KITS`` names; each exports its class as ``KIT``,
- the descriptions in ``descriptions``, and the users' own (``gateway.vendors.described``),
- installed packages, by the entry point group ``webhook_log_gateway.vendors``.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module, metadata
from typing import Any

from gateway.vendors.base import Vendor
from gateway.vendors.described import OwnVendor, shipped

__all__ = ["ENTRY_POINTS", "VENDORS"]

ENTRY_POINTS = "webhook_log_gateway.vendors"
"""The group of entry points that name the kits of installed packages."""
_KITS = (
    "codearts",
    "yandex_tracker",
    "language_weaver",
    "elastic_path",
    "github",
)


def _kits() -> Iterator[type[Vendor[Any]]]:
    for name in _KITS:
        yield import_module(f"{__name__}.{name}").KIT
    yield from shipped()
    for entry_point in metadata.entry_points(group=ENTRY_POINTS):
        yield entry_point.load()
    yield OwnVendor


VENDORS: dict[str, type[Vendor[Any]]] = {kit.provider: kit for kit in _kits()}
"""The kits by provider name."""
