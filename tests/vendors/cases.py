"""The vendors that have a test case: all that have a kit in Python, or a simulator."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from gateway.vendors import VENDORS
from gateway.vendors.described.vendor import DescribedVendor
from tests.vendors.case import VendorCase


def _cases() -> Iterator[tuple[str, VendorCase]]:
    for provider, kit in VENDORS.items():
        name = provider.replace("-", "_")
        if issubclass(kit, DescribedVendor) and not (_FOLDER / name / "case.py").exists():
            continue  # a description needs no more than its sample documents
        yield provider, import_module(f"tests.vendors.{name}.case").CASE


_FOLDER = Path(__file__).parent
CASES: dict[str, VendorCase] = dict(_cases())
"""The cases by provider; each is in the folder named after it."""
