"""The vendors whose kits are written in Python, each with its test case."""

from __future__ import annotations

from importlib import import_module

from gateway.vendors import VENDORS
from gateway.vendors.described.vendor import DescribedVendor
from tests.vendors.case import VendorCase

CASES: dict[str, VendorCase] = {
    provider: import_module(f"tests.vendors.{kit.__module__.split('.')[2]}.case").CASE
    for provider, kit in VENDORS.items()
    if not issubclass(kit, DescribedVendor)
}
"""The cases by provider; each is in the folder named after its kit."""
