"""The tables that the configuration is made of, and the types of single settings.

``gateway.settings`` puts them together, with the tables of the vendors' kits. ``os.environ`` is not
read here, and no secret leaves its ``SecretStr``: not in a repr, a dump or the sentence about a
mistake. The docstrings of the models and their attributes are the descriptions in the JSON schema.
"""

from __future__ import annotations

from gateway.config.documents import DocumentSettings, Manifest
from gateway.config.limits import Limit, LimitSettings, TimeLimit
from gateway.config.source import PassThrough, SourceTable
from gateway.config.values import is_loopback

__all__ = [
    "DocumentSettings",
    "Limit",
    "LimitSettings",
    "Manifest",
    "PassThrough",
    "SourceTable",
    "TimeLimit",
    "is_loopback",
]
