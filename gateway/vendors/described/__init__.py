"""Vendors that are described in TOML instead of written in Python.

``description`` is the form of a description, ``compiled`` what is made of it, and ``vendor`` the
``Vendor`` that works with that. Nothing here knows a vendor. The gateway's own descriptions are in
``gateway/vendors/descriptions``.
"""

from gateway.vendors.described.kits import shipped
from gateway.vendors.described.own import OwnVendor

__all__ = ["OwnVendor", "shipped"]
