"""The registry of vendors.

Each vendor has a kit: a package in this folder that exports its ``Vendor`` class as ``KIT``. A line
in ``_KITS`` adds it to the GraphQL schema, the configuration and the documentation.
``gateway.vendors.base`` describes what a kit contains.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gateway.vendors.base import Vendor

__all__ = ["VENDORS"]

_KITS = (
    "codearts",
    "yandex_tracker",
    "language_weaver",
    "elastic_path",
    "github",
)

VENDORS: dict[str, type[Vendor[Any]]] = {
    kit.provider: kit for kit in (import_module(f"{__name__}.{name}").KIT for name in _KITS)
}
"""The kits by provider name."""
