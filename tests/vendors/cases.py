"""The registered vendors, each with its test case."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from gateway import sandbox
from gateway.vendors import VENDORS
from gateway.vendors.described import OwnVendor
from tests.vendors.case import VendorCase
from tests.vendors.described_case import case_of


def _cases() -> Iterator[tuple[str, VendorCase]]:
    for provider, kit in VENDORS.items():
        name = provider.replace("-", "_")
        if (_FOLDER / name / "case.py").exists():
            yield provider, import_module(f"tests.vendors.{name}.case").CASE
        elif kit is not OwnVendor:
            # A description needs no more than its sample documents.
            yield provider, case_of(provider)


_FOLDER = Path(__file__).parent
CASES: dict[str, VendorCase] = dict(_cases())
"""The cases by provider; each is in the folder named after it."""
SIMULATED = tuple(
    name for name in CASES if (Path(sandbox.__file__).parent / name.replace("-", "_")).exists()
)
"""The vendors that have a simulator."""
