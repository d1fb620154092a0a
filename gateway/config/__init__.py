"""The tables of the configuration, and the types of single settings.

``gateway.settings`` combines them with the tables of the vendors' kits. ``os.environ`` is not read
here, and secrets stay in their ``SecretStr``: out of reprs, dumps and error messages. Docstrings of
the models and their attributes are the descriptions in the JSON schema.
"""

from __future__ import annotations

from gateway.config.documents import DocumentSettings, Manifest
from gateway.config.limits import Limit, LimitSettings, TimeLimit
from gateway.config.log import LogSettings
from gateway.config.metrics import MetricsSettings
from gateway.config.source import PassThrough, SourceTable
from gateway.config.traces import TracesSettings
from gateway.config.values import is_loopback

__all__ = [
    "DocumentSettings",
    "Limit",
    "LimitSettings",
    "LogSettings",
    "Manifest",
    "MetricsSettings",
    "PassThrough",
    "SourceTable",
    "TimeLimit",
    "TracesSettings",
    "is_loopback",
]
