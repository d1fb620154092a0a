"""The vendors: a kit each, and this registry of them.

A kit is a package beside this file that exports its ``Vendor`` as ``KIT``. Its name below is all
that has to be said of it anywhere else.
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
)

VENDORS: dict[str, type[Vendor[Any]]] = {
    kit.provider: kit for kit in (import_module(f"{__name__}.{name}").KIT for name in _KITS)
}
"""The kits by the name of their provider in the configuration."""
