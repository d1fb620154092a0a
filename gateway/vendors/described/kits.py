"""Vendors made of descriptions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gateway.vendors.described.compiled import Compiled
from gateway.vendors.described.description import Description, load
from gateway.vendors.described.parsing import DescribedDetails
from gateway.vendors.described.settings import credential_of, settings_of
from gateway.vendors.described.vendor import DescribedVendor

SHIPPED = Path(__file__).parent.parent / "descriptions"
"""The folder of the descriptions that the gateway ships; a file is named after its provider."""


def kit_of(description: Description, provider: str, **members: Any) -> type[DescribedVendor]:
    """Return the vendor of a description."""
    compiled = Compiled(description, provider)
    return type(
        provider.title().replace("-", ""),
        (DescribedVendor,),
        {
            "__doc__": f"{description.title}, as its description has it.",
            "__module__": __name__,
            "compiled": compiled,
            "provider": provider,
            "title": description.title,
            "details": DescribedDetails,
            "capabilities": compiled.capabilities,
            "lacks": compiled.lacks,
            "retention": description.retention,
            "limits": description.limits,
            "resends_in_place": description.resends_in_place,
            "appends_retries": compiled.appends_retries,
            "read_error": staticmethod(compiled.read_error),
            "credential": staticmethod(credential_of(description)),
            **members,
        },
    )


def shipped() -> list[type[DescribedVendor]]:
    """Return the vendors of the shipped descriptions, in the order of their names."""
    kits = []
    for file in sorted(SHIPPED.glob("*.toml")):
        description, provider = load(file), file.stem
        settings = settings_of(description, provider)
        # Workers get the configuration by pickle, which finds a class by its module and name.
        setattr(sys.modules[settings.__module__], settings.__name__, settings)
        kits.append(kit_of(description, provider, settings=settings))
    return kits
